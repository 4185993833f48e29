/** Asks again until the answer is yes; after ten seconds the test fails. */
export async function until(ask: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (!(await ask())) {
    if (performance.now() > deadlineMs) throw new Error(`not so within 10 s: ${ask}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
