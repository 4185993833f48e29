import { Change } from '../record.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { NodeContext } from '../topology/processor-node.ts'

/**
 * When a windowed aggregation gives its final results, and which were given already. The time up to
 * which windows have closed goes into the commit, so that a restart gives none twice.
 */
export class FinalResults {
  readonly #context: NodeContext
  readonly #storeName: string
  #nextEmitMs = 0
  #emittedMs: number

  constructor(context: NodeContext, storeName: string) {
    this.#context = context
    this.#storeName = storeName
    this.#emittedMs = context.processorTimes.get(storeName) ?? -1
  }

  /** Whether a result has been given before. */
  get hasEmitted(): boolean {
    return this.#emittedMs !== -1
  }

  /** Up to which time windows have been closed; -1 before the first. */
  get emittedMs(): number {
    return this.#emittedMs
  }

  /** Whether to look for windows that have closed. Looking is not free, so not with every record. */
  isDue(closeTimeMs: number): boolean {
    const nowMs = this.#context.nowMs()
    if (nowMs < this.#nextEmitMs) return false
    this.#nextEmitMs = nowMs + this.#context.emitIntervalMs
    return this.isBehind(closeTimeMs)
  }

  isBehind(closeTimeMs: number): boolean {
    return this.#emittedMs === -1 || this.#emittedMs < closeTimeMs
  }

  /** The earliest start of a window that was not given yet; ends that are excluded begin one later. */
  lowerMs(sizeMs: number, excludedMs: 0 | 1): number {
    return this.hasEmitted ? Math.max(0, this.#emittedMs - sizeMs) + excludedMs : 0
  }

  /** Gives the windows that start from one time to the other, both included. */
  emit(
    store: WindowStore<unknown, unknown>,
    fromMs: number,
    toMs: number,
    closeTimeMs: number,
  ): void {
    this.measured(() => {
      let count = 0
      for (const { windowed, value, timestampMs } of store.windowsWithin({ fromMs, toMs })) {
        this.#context.forward(windowed, new Change(value, null), timestampMs)
        count++
      }
      return count
    })
    store.drop(toMs)
    this.closed(closeTimeMs)
  }

  /** @param emit gives out final results, and says how many */
  measured(emit: () => number): void {
    const { records, latency } = this.#context.metrics.finalEmits
    const nowMs = this.#context.nowMs()
    const startMs = performance.now()
    records.record(emit(), nowMs)
    latency.record(performance.now() - startMs, nowMs)
  }

  closed(closeTimeMs: number): void {
    this.#emittedMs = closeTimeMs
    this.#context.processorTimes.set(this.#storeName, closeTimeMs)
  }
}
