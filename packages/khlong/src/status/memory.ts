import { readFile } from 'node:fs/promises'

/** What the process holds. */
export interface ProcessMemory {
  /** Memory that no file stands behind: private pages and shared ones. Where the system does not tell, all of it. */
  readonly anonymousBytes: number
  /** All pages in memory, those of mapped files too, which the system takes back when it needs them. */
  readonly rssBytes: number
}

/** Reads the process's memory; on Linux from `/proc/self/smaps_rollup`. */
export async function readProcessMemory(): Promise<ProcessMemory> {
  const rssBytes = process.memoryUsage.rss()
  if (process.platform !== 'linux') return { anonymousBytes: rssBytes, rssBytes }
  const text = await readFile('/proc/self/smaps_rollup', 'utf8').catch(() => '')
  const anonymous = kilobytes(text, 'Anonymous')
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const shared = kilobytes(status, 'RssShmem')
  if (anonymous === undefined) return { anonymousBytes: rssBytes, rssBytes }
  return { anonymousBytes: (anonymous + (shared ?? 0)) * 1024, rssBytes }
}

function kilobytes(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  return match ? Number(match[1]) : undefined
}
