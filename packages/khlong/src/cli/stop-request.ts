/** npm passes a Ctrl-C on that the terminal has sent already: what comes this soon is the same one. */
const sameRequestMs = 500

/**
 * Resolves at Ctrl-C, SIGTERM, or when the terminal goes; who asks once more, later, ends the process at once.
 */
export function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = (): void => {
      const nowMs = performance.now()
      askedAtMs ??= nowMs
      if (nowMs - askedAtMs > sameRequestMs) process.exit(130)
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
    if (hasTerminal()) process.on('SIGHUP', onSignal)
  })
}

/** Calls `reload` at SIGHUP, as daemons do; at a terminal that signal says that it was closed. */
export function onReloadRequest(reload: () => Promise<unknown>): void {
  // What is wrong with the files is logged by whoever reads them; what runs goes on.
  if (!hasTerminal()) process.on('SIGHUP', () => void reload().catch(() => {}))
}

function hasTerminal(): boolean {
  return [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY)
}
