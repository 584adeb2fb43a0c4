// Commands from a person or from a pipe, a line each.  A person gets a prompt, a history and completion; what
// comes through a pipe runs without a sound.

import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { isListed, type Shell } from "./shell.ts";

export interface Conversation {
  readonly input: Readable;
  readonly output: Writable;
  /** Whether a person sits there. */
  readonly terminal: boolean;
  readonly signal: AbortSignal;
}

export async function converse(
  shell: Shell,
  { input, output, terminal, signal }: Conversation,
): Promise<void> {
  const lines = createInterface({
    input,
    terminal,
    prompt: "unwritten> ",
    completer: (line: string) => completions(shell, line),
    ...(terminal && { output }),
  });
  const close = (): void => lines.close();
  signal.addEventListener("abort", close, { once: true });
  let busy = false;
  lines.on("SIGINT", () => {
    if (busy) {
      shell.session.interrupted = true;
      return;
    }
    // Ctrl-C takes back the line that was being typed; leaving is `quit` or Ctrl-D.
    output.write(lines.line === "" ? "\n(quit, or Ctrl-D, leaves and writes the image back)\n" : "^C\n");
    lines.write(null, { ctrl: true, name: "e" });
    lines.write(null, { ctrl: true, name: "u" });
    lines.prompt();
  });
  if (terminal) lines.prompt();
  for await (const line of lines) {
    busy = true;
    shell.session.interrupted = false;
    await shell.run(line);
    busy = false;
    if (shell.session.ended || signal.aborted) break;
    if (terminal) lines.prompt();
  }
  signal.removeEventListener("abort", close);
  lines.close();
}

/** The first word is a command; behind `help` too. */
function completions(shell: Shell, line: string): [string[], string] {
  const match = /^\s*(?:(?:help|\?)\s+)?(\S*)$/.exec(line);
  if (match === null) return [[], line];
  const [, begun = ""] = match;
  const names = shell.commands.filter(isListed).map(({ name }) => name);
  return [names.filter((name) => name.startsWith(begun)), begun];
}
