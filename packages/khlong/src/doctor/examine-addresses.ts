import net from 'node:net'
import { parseListen } from '@khlong/core'
import { type AddressBook, canListen } from '../config/address-book.ts'
import { partNames } from '../config/part-names.ts'
import type { Pipeline } from '../config/pipeline.ts'
import type { Finding } from './finding.ts'
import { findOwnerCommand, portOwner } from './port-owner.ts'

const connectWithinMs = 2_000

/** Ports of embedded parts that others have. For a pipeline that does not run: a running one has them itself. */
export async function examinePorts(pipeline: Pipeline, book: AddressBook): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const part of partNames) {
    const address = book.parts[part]
    if (address.kind !== 'embedded') continue
    for (const [listener, text] of Object.entries(address.listeners)) {
      const listen = parseListen(text)
      if (await canListen(listen)) continue
      const owner = await portOwner(listen.port)
      const by = owner ? `process ${owner.processId} (${owner.command})` : 'another process'
      const who = owner ? '' : `; ${findOwnerCommand(listen.port, process.platform)} says which`
      const path = [part, listener]
      findings.push(
        pipeline.settings.isWritten(path)
          ? {
              level: 'wrong',
              what: `${pipeline.settings.where(path)}: ${path.join('.')}: port ${listen.port} is taken by ${by}`,
              remedy: `end that process, or write another port${who}`,
            }
          : {
              level: 'note',
              what: `port ${listen.port} is taken by ${by}; ${part} would take the next free one`,
              ...(owner ? {} : { remedy: findOwnerCommand(listen.port, process.platform) }),
            },
      )
    }
  }
  return findings
}

/** Real systems that the pipeline uses and that do not answer. */
export async function examineExternals(book: AddressBook): Promise<Finding[]> {
  const findings = await Promise.all(
    partNames.map(async (part): Promise<Finding[]> => {
      const address = book.parts[part]
      if (address.kind !== 'external') return []
      const servers = serversOf(address.address)
      const problems = await Promise.all(servers.map(connectProblem))
      return problems.flatMap((problem, index): Finding[] =>
        problem === undefined
          ? []
          : [
              {
                level: 'wrong',
                what: `${part} at ${servers[index]?.host}:${servers[index]?.port} cannot be reached: ${problem}`,
                remedy: 'does it run there, and may this machine reach it?',
              },
            ],
      )
    }),
  )
  return findings.flat()
}

const schemePorts: Readonly<Record<string, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
  http: 80,
  https: 443,
  mongodb: 27_017,
}

/** Hosts and ports of `mqtt://host:1883`, `http://host/path`, `mongodb://user@a,b/db`, `k1:9092,k2:9092`. */
export function serversOf(address: string): { host: string; port: number }[] {
  const [, scheme, authority = ''] = /^(?:([a-z+]+):\/\/)?([^/]*)/i.exec(address) ?? []
  // A name that only DNS can turn into servers is left to the client.
  if (scheme === 'mongodb+srv') return []
  const hosts = authority.slice(authority.lastIndexOf('@') + 1)
  return hosts.split(',').flatMap((server) => {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(server.trim())
    const host = match?.[1] ?? match?.[2]
    const port = Number(match?.[3] ?? schemePorts[scheme ?? ''] ?? 0)
    return host === undefined || port === 0 ? [] : [{ host, port }]
  })
}

/** Why no connection can be made; undefined where it can. */
function connectProblem(server: { host: string; port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ ...server, timeout: connectWithinMs })
    const end = (problem: string | undefined): void => {
      socket.destroy()
      resolve(problem)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end(`no answer in ${connectWithinMs / 1_000} s`))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}
