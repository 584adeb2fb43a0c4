// What the tree says of a run of file blocks.

/** The state of file blocks. */
export const State = { hole: 0, unwritten: 1, written: 2 } as const;
export type State = (typeof State)[keyof typeof State];

/** A run of file blocks in one state, in blocks. */
export interface Extent {
  /** Its first file block. */
  start: number;
  length: number;
  /** Its first media block; 0 for a hole. */
  media: number;
  state: State;
}
