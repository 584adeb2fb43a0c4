// The random numbers of the C library, so that a seed leads to the same places here as in xfs_io: an additive
// feedback generator, x(n) = x(n-3) + x(n-31), whose first 310 numbers are thrown away.

const STATE = 31;
const LAG = 3;
const THROWN_AWAY = 310;

export class Random {
  readonly #state = new Int32Array(STATE);
  #at = 0;

  constructor(seed: number) {
    // The state is filled by the minimal standard generator of Park and Miller.
    let word = seed === 0 ? 1 : seed | 0;
    for (let i = 0; i < STATE; i++) {
      this.#state[i] = word;
      word = (16_807 * word) % 2_147_483_647;
      if (word < 0) word += 2_147_483_647;
    }
    for (let i = 0; i < THROWN_AWAY; i++) this.next();
  }

  /** From 0 to 2^31 - 1. */
  next(): number {
    const state = this.#state;
    const place = (this.#at + LAG) % STATE;
    state[place] = (state[place] as number) + (state[this.#at] as number);
    this.#at = (this.#at + 1) % STATE;
    return (state[place] as number) >>> 1;
  }
}
