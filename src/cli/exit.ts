// How the program ends: the exit codes, and the error for input that is refused.

export const Exit = {
  nothingFound: 0,
  violation: 1,
  usage: 2,
  ownBug: 3,
  doesNotFit: 4,
  inconclusive: 5,
  /** 128 + the signal's number, as shells report it. */
  interrupted: 130,
  terminated: 143,
  busError: 135,
  segmentationFault: 139,
  brokenPipe: 141,
} as const;
export type ExitCode = (typeof Exit)[keyof typeof Exit];

/** Input that is refused: one sentence on stderr, exit code 2 unless it says otherwise. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: ExitCode;
  constructor(message: string, code: ExitCode = Exit.usage) {
    super(message);
    this.code = code;
  }
}

/**
 * What the layers below throw for what is not their bug.  By name: an error that came out of another thread
 * is not an instance of its class here.
 */
const EXITS: Record<string, ExitCode> = {
  UsageError: Exit.usage,
  SetupError: Exit.usage,
  RecordsFull: Exit.usage,
  ScheduleError: Exit.usage,
  ScheduleMisfit: Exit.doesNotFit,
  NotDeterministic: Exit.doesNotFit,
};

/** The exit code for an error, undefined when it is a bug of this program. */
export function exitOf(error: unknown): ExitCode | undefined {
  if (error instanceof Refusal) return error.code;
  const { name, cause } = (error ?? {}) as Partial<Error>;
  // A thread that died or hung tells nothing about the design, and nothing about this program either.
  if (name === "TaskError" && (cause as { kind?: string } | undefined)?.kind !== "threw")
    return Exit.inconclusive;
  return EXITS[name ?? ""];
}
