import type { TestContext } from 'node:test'

/** What a test started; what was started last is stopped first. */
export class Stops {
  readonly #stops: (() => Promise<unknown>)[] = []

  constructor(t: { after(end: () => Promise<unknown>): unknown }) {
    t.after(async () => {
      for (const stop of this.#stops.reverse()) await stop()
    })
  }

  push(stop: () => Promise<unknown>): void {
    this.#stops.push(stop)
  }
}

const byTest = new WeakMap<TestContext, Stops>()

/**
 * The stops of a test. To be taken before the folder that things work in is made, since a test's
 * hooks run in the order in which they were given.
 */
export function stopsOf(t: TestContext): Stops {
  let stops = byTest.get(t)
  if (!stops) {
    stops = new Stops(t)
    byTest.set(t, stops)
  }
  return stops
}
