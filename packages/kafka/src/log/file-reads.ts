import { read as readAside, readSync } from 'node:fs'

/** Read at once; then the time is looked at. */
const pieceBytes = 256 * 1024
/** A piece that takes longer was not in memory: copying it takes a tenth of it. */
const slowMs = 1
/** How long a file is left to other threads then. */
const asideMs = 1_000

/**
 * Reads of one file. What the system holds of it in memory is read on this thread: with all cores busy the way to another
 * one and back takes longer than the copy. A slow disk must not hold everybody up: when a piece took long, the rest and
 * what is wanted soon afterwards is read aside.
 */
export class FileReads {
  readonly #nowMs: () => number
  #asideUntilMs = Number.NEGATIVE_INFINITY

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Fills `into` from `position` on as far as the file goes, and gives how many bytes that were. */
  read(fd: number, position: number, into: Buffer): number | Promise<number> {
    let done = 0
    let beganMs = this.#nowMs()
    while (beganMs >= this.#asideUntilMs) {
      const wanted = Math.min(pieceBytes, into.byteLength - done)
      if (wanted <= 0) return done
      const count = readSync(fd, into, done, wanted, position + done)
      done += count
      if (count < wanted) return done
      const endedMs = this.#nowMs()
      if (endedMs - beganMs > slowMs) this.#asideUntilMs = endedMs + asideMs
      beganMs = endedMs
    }
    return done === into.byteLength ? done : this.#readAside(fd, position, into, done)
  }

  async #readAside(fd: number, position: number, into: Buffer, from: number): Promise<number> {
    let done = from
    while (done < into.byteLength) {
      const count = await readPart(fd, position + done, into.subarray(done))
      if (count === 0) return done
      done += count
    }
    return done
  }
}

function readPart(fd: number, position: number, into: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    readAside(fd, into, 0, into.byteLength, position, (error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}
