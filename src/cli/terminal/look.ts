// How text may look on a stream: colours, marks, width.

import type { WriteStream } from "node:tty";

export type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY" | "columns">>;

export interface Look {
  readonly live: boolean;
  readonly width: number;
  /** Marks outside ASCII may be used. */
  readonly unicode: boolean;
  bold(text: string): string;
  red(text: string): string;
  green(text: string): string;
  dim(text: string): string;
}

/** Columns of the widest table; also what is assumed where there is no terminal. */
const MAX_WIDTH = 100;

export function look(stream: Output): Look {
  const { TERM, NO_COLOR, LC_ALL, LC_CTYPE, LANG } = process.env;
  const terminal = stream.isTTY === true;
  const dumb = TERM === "dumb";
  const colours = terminal && !dumb && (NO_COLOR === undefined || NO_COLOR === "");
  const paint = (open: number, close: number) => (text: string) =>
    colours ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    live: terminal && !dumb,
    width: Math.min(MAX_WIDTH, terminal ? stream.columns || 80 : MAX_WIDTH),
    unicode: terminal && !dumb && /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || ""),
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
  };
}
