import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { nodeEnvironment, run } from './npm.ts'

/** The command line of an installed `khlong`, in the folder that it is installed in. */
export class InstalledKhlong {
  readonly folder: string
  readonly #script: string

  constructor(folder: string) {
    this.folder = folder
    this.#script = path.join(folder, 'node_modules/khlong/bin/khlong.mjs')
  }

  /** Runs a command to its end and gives its standard output. */
  run(...args: string[]): string {
    return run(this.folder, process.execPath, [this.#script, ...args])
  }

  /** Starts a command that runs until it is stopped, and waits until it prints `ready`. */
  async start(args: readonly string[], ready: RegExp, deadlineMs = 60_000): Promise<Running> {
    const child = spawn(process.execPath, [this.#script, ...args], {
      cwd: this.folder,
      env: nodeEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const running = new Running(child)
    try {
      await running.waitFor(ready, deadlineMs)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    return running
  }
}

/** A command that runs, and what it has printed. */
export class Running {
  readonly #child: ChildProcess
  #output = ''

  constructor(child: ChildProcess) {
    this.#child = child
    const collect = (chunk: Buffer): void => {
      this.#output += chunk.toString()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
  }

  get output(): string {
    return this.#output
  }

  async waitFor(pattern: RegExp, deadlineMs: number): Promise<RegExpExecArray> {
    const { stdout, stderr } = this.#child
    const changed = Promise.withResolvers<RegExpExecArray>()
    const look = (): void => {
      const match = pattern.exec(this.#output)
      if (match) changed.resolve(match)
    }
    const onExit = (code: number | null, signal: string | null): void => {
      changed.reject(new Error(`it ended with ${code ?? signal}:\n${this.#output}`))
    }
    const deadline = setTimeout(() => {
      changed.reject(
        new Error(`${pattern.source} was not printed in ${deadlineMs} ms:\n${this.#output}`),
      )
    }, deadlineMs)
    stdout?.on('data', look)
    stderr?.on('data', look)
    this.#child.once('exit', onExit)
    look()
    try {
      return await changed.promise
    } finally {
      clearTimeout(deadline)
      stdout?.off('data', look)
      stderr?.off('data', look)
      this.#child.off('exit', onExit)
    }
  }

  /** Asks it to stop, as Ctrl-C does; @throws Error where its exit code is not 0. */
  async stop(): Promise<void> {
    const child = this.#child
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const cut = setTimeout(() => child.kill('SIGKILL'), 20_000)
    const [code, signal] = (await exited) as [number | null, string | null]
    clearTimeout(cut)
    if (code !== 0) throw new Error(`stopping gave ${code ?? signal}:\n${this.#output}`)
  }

  /** Ends it without asking, where a check has failed. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
