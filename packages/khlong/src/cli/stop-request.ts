/** npm passes a Ctrl-C on that the terminal has sent already: what comes this soon is the same one. */
const sameRequestMs = 500

/** Resolves at Ctrl-C, SIGTERM or SIGHUP; who asks once more, later, ends the process at once. */
export function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = (): void => {
      const nowMs = performance.now()
      askedAtMs ??= nowMs
      if (nowMs - askedAtMs > sameRequestMs) process.exit(130)
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  })
}
