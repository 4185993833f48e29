import { randomFillSync } from 'node:crypto'

/** Randomness, passed in, so that a seed replays a run. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** `byteCount` fresh random bytes, owned by the caller. */
  bytes(byteCount: number): Buffer
}

/** The machine's own randomness; its bytes are fit for secrets. */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (byteCount) => randomFillSync(Buffer.allocUnsafe(byteCount)),
}
