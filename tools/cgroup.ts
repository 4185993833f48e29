import { existsSync } from 'node:fs'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const root = '/sys/fs/cgroup'
const periodUs = 100_000

/** Memory of a group's processes. */
export interface GroupMemory {
  /** What no file stands behind. */
  readonly anonymousBytes: number
  /** With the pages of files that were read and written, which the system takes back when it needs them. */
  readonly totalBytes: number
}

/** A control group of Linux: its processes have so many cores and so much memory, and no more. */
export class ControlGroup {
  readonly #memory: string
  readonly #folders: readonly string[]
  readonly #isV2: boolean

  /** @throws Error that says what is missing, where this user may make no groups */
  static async create(limits: { cores: number; memoryBytes: number }): Promise<ControlGroup> {
    const name = `khlong-${process.pid}`
    const isV2 = existsSync(path.join(root, 'cgroup.controllers'))
    const folders = isV2
      ? [path.join(root, name)]
      : [path.join(root, 'cpu', name), path.join(root, 'memory', name)]
    const group = new ControlGroup(folders, isV2)
    try {
      for (const folder of folders) await mkdir(folder)
      await group.#limit(limits)
      return group
    } catch (cause) {
      await group.remove()
      throw new Error(
        'a limit of cores and memory needs Linux with control groups and the right to make one: run it as root, or inside systemd-run --user --scope -p Delegate=yes',
        { cause },
      )
    }
  }

  private constructor(folders: readonly string[], isV2: boolean) {
    this.#folders = folders
    this.#memory = folders.at(-1)!
    this.#isV2 = isV2
  }

  /** The words before a command that let it run in the group, from its first instruction on. */
  get prefix(): readonly string[] {
    const joins = this.#folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`)
    return ['/bin/sh', '-c', `${joins.join(' && ')} && exec "$@"`, 'sh']
  }

  async memory(): Promise<GroupMemory> {
    const text = await readFile(path.join(this.#memory, 'memory.stat'), 'utf8')
    const usage = this.#isV2 ? 'memory.current' : 'memory.usage_in_bytes'
    const anonymous = new RegExp(`^${this.#isV2 ? 'anon' : 'total_rss'} (\\d+)$`, 'm').exec(text)
    return {
      anonymousBytes: Number(anonymous?.[1] ?? Number.NaN),
      totalBytes: Number(await readFile(path.join(this.#memory, usage), 'utf8')),
    }
  }

  /** Gives the group back; its processes must have ended. */
  async remove(): Promise<void> {
    for (const folder of this.#folders)
      for (let attempt = 0; existsSync(folder) && attempt < 50; attempt++) {
        await rmdir(folder).catch(() => delay(100))
      }
  }

  async #limit({ cores, memoryBytes }: { cores: number; memoryBytes: number }): Promise<void> {
    const set = (folder: string, file: string, value: string): Promise<void> =>
      writeFile(path.join(folder, file), value)
    const quotaUs = Math.round(cores * periodUs)
    const [cpu, memory] = [this.#folders[0]!, this.#memory]
    if (this.#isV2) {
      await set(cpu, 'cpu.max', `${quotaUs} ${periodUs}`)
      await set(memory, 'memory.max', String(memoryBytes))
      await set(memory, 'memory.swap.max', '0').catch(() => {})
    } else {
      await set(cpu, 'cpu.cfs_period_us', String(periodUs))
      await set(cpu, 'cpu.cfs_quota_us', String(quotaUs))
      await set(memory, 'memory.limit_in_bytes', String(memoryBytes))
    }
  }
}
