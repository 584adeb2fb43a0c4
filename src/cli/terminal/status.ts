// The status of something that takes long: one line that is rewritten on a terminal, now and then a line of
// its own elsewhere.  It goes to stderr, so that stdout holds results only.

import { stripVTControlCharacters } from "node:util";
import { look, type Output } from "./look.ts";

/** Milliseconds between two looks at the text. */
const LIVE_INTERVAL = 100;
const PLAIN_INTERVAL = 5000;
const ERASE = "\r\x1b[K";

export interface Status {
  /** A line about a part that is done, for a log; a terminal has the status line instead. */
  note(line: string): void;
  /**
   * Clears the status line for good.  To be called before results are printed, also on errors; a second time does
   * nothing.
   */
  end(): void;
}

/** `text` is asked when a status is due. `quiet`: nothing unless on a terminal (stdout is for a program then). */
export function startStatus(text: () => string, quiet: boolean, stream: Output = process.stderr): Status {
  const { live } = look(stream);
  const plain = !live && !quiet;
  const show = (): void => {
    if (live) stream.write(ERASE + cut(text(), (stream.columns || 80) - 1));
    else stream.write(`${text()}\n`);
  };
  let timer = live || plain ? setInterval(show, live ? LIVE_INTERVAL : PLAIN_INTERVAL) : undefined;
  return {
    note(line) {
      if (plain) stream.write(`${line}\n`);
    },
    end() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      if (live) stream.write(ERASE);
    },
  };
}

/** A line that wraps could not be erased; a cut one loses its colours rather than leaving one switched on. */
function cut(line: string, width: number): string {
  const bare = stripVTControlCharacters(line);
  return bare.length <= width ? line : bare.slice(0, width);
}
