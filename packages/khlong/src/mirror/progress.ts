import { formatBytes, formatCount } from '../terminal/format.ts'

const barWidth = 28
const lineEveryMs = 5_000
const drawEveryMs = 200

/** Says how far something is: on a terminal by a bar that is drawn over itself, else by a line now and then. */
export class Progress {
  readonly #out: NodeJS.WriteStream
  #shownAtMs = Number.NEGATIVE_INFINITY
  #hasBar = false

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  /** Says a whole line, where a bar was. */
  say(text: string): void {
    this.#out.write(`${this.#hasBar ? '\r\u001b[K' : ''}${text}\n`)
    this.#hasBar = false
  }

  show(what: string, done: number, total: number): void {
    const nowMs = performance.now()
    const isTerminal = this.#out.isTTY === true
    if (nowMs - this.#shownAtMs < (isTerminal ? drawEveryMs : lineEveryMs)) return
    this.#shownAtMs = nowMs
    const share = total > 0 ? Math.min(1, done / total) : 1
    const percent = `${Math.floor(share * 100)} %`.padStart(5)
    if (!isTerminal) {
      this.#out.write(`${what}: ${percent.trim()}\n`)
      return
    }
    const filled = Math.round(share * barWidth)
    const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`
    this.#out.write(`\r\u001b[K${what.padEnd(12)} ${bar} ${percent}`)
    this.#hasBar = true
  }
}

/** `12.3 k records, 4.5 MiB in 1.2 s (10.1 k/s, 3.7 MiB/s)`. */
export function formatCopied(
  noun: string,
  count: number,
  bytes: number | undefined,
  tookMs: number,
): string {
  const seconds = Math.max(tookMs, 1) / 1_000
  const amount = bytes === undefined ? '' : `, ${formatBytes(bytes)}`
  const rate = bytes === undefined ? '' : `, ${formatBytes(Math.round(bytes / seconds))}/s`
  return `${formatCount(count)} ${noun}${amount} in ${seconds.toFixed(1)} s (${formatCount(Math.round(count / seconds))}/s${rate})`
}
