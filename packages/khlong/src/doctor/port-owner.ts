import { readdir, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'

const commandLengthMax = 60

/** A process that listens on a port. */
export interface PortOwner {
  readonly processId: number
  readonly command: string
}

/**
 * Who listens on a TCP port of this machine. Undefined where the system does not tell: elsewhere than
 * on Linux, and for processes of other users.
 */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  const sockets = new Set(tables.flatMap((table) => listeningInodes(table, port)))
  if (sockets.size === 0) return undefined
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const folder = `/proc/${entry}`
    for (const descriptor of await readdir(`${folder}/fd`).catch(() => [])) {
      const target = await readlink(`${folder}/fd/${descriptor}`).catch(() => '')
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode === undefined || !sockets.has(inode)) continue
      const command = await readFile(`${folder}/cmdline`, 'utf8').catch(() => '')
      return { processId: Number(entry), command: commandText(command) }
    }
  }
  return undefined
}

/** `/usr/bin/java\0-Xmx1g\0kafka.Kafka\0` as `java -Xmx1g kafka.Kafka`, cut to a readable length. */
function commandText(command: string): string {
  const [program = '', ...rest] = command.split('\0')
  const text = [path.basename(program), ...rest].join(' ').trim()
  return text.length <= commandLengthMax ? text : `${text.slice(0, commandLengthMax - 1)}…`
}

/** How somebody finds out what listens on a port where {@link portOwner} does not know. */
export function findOwnerCommand(port: number, platform: NodeJS.Platform): string {
  if (platform === 'win32') return `netstat -ano | findstr :${port}`
  return platform === 'darwin'
    ? `lsof -nP -iTCP:${port} -sTCP:LISTEN`
    : `ss -ltnp 'sport = ${port}'`
}

/** Inodes of the sockets that listen on the port, from a table such as `/proc/net/tcp`. */
export function listeningInodes(table: string, port: number): string[] {
  const listening = '0A'
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local, , state]) =>
        state === listening && Number.parseInt(local?.split(':')[1] ?? '', 16) === port,
    )
    .flatMap((fields) => fields[9] ?? [])
}
