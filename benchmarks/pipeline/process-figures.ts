import { readFile } from 'node:fs/promises'

/** Anonymous and shared pages of a process, in MiB; 0 where the system does not tell. */
export async function memoryMiB(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/smaps_rollup`, 'utf8').catch(() => '')
  const status = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '')
  const kilobytes = (source: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(source)?.[1] ?? 0)
  return Math.round((kilobytes(text, 'Anonymous') + kilobytes(status, 'RssShmem')) / 1_024)
}

/** CPU time that a process has used, in ms; 0 where the system does not tell. */
export async function cpuMs(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/stat`, 'utf8').catch(() => '')
  const [user = 0, system = 0] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  // Linux counts in hundredths of a second there, whatever its own clock does.
  return (user + system) * 10
}

/** Resident memory of a process, in MiB, as `ps` shows it; 0 where the system does not tell. */
export async function rssMiB(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '')
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1_024)
}
