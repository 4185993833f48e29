import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Child {
  readonly process: ChildProcess
  readonly address: string
}

/** A broker in a process of its own, on a folder that outlives it; killed when the test ends. */
export async function startChild(
  t: { after(cleanUp: () => void): void },
  data: string,
): Promise<Child> {
  const script = fileURLToPath(new URL('kill-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, data, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { process: child, address: line.toString().trim() }
}

/** Kills it as nothing else can. */
export async function kill(child: Child): Promise<void> {
  child.process.kill('SIGKILL')
  await once(child.process, 'exit')
}
