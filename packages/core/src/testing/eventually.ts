const pauseMs = 10

/**
 * Asks again and again until `ask` gives an answer instead of throwing, and gives that answer. After
 * `withinMs` it throws what `ask` threw at last, so that an assertion in it says what was wrong.
 *
 * ```ts
 * await eventually(async () => assert.equal(await frames.countDocuments(), 3))
 * ```
 */
export async function eventually<Value>(
  ask: () => Value | Promise<Value>,
  withinMs = 10_000,
): Promise<Value> {
  const deadlineMs = performance.now() + withinMs
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
}
