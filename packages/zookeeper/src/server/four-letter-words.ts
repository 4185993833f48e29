import os from 'node:os'
import type { ResolvedZooKeeperOptions } from '../options.ts'
import type { State } from '../state/state.ts'
import type { Connection } from './connection.ts'
import type { Statistics } from './statistics.ts'

/** What the four-letter words tell of. */
export interface ServerView {
  readonly state: State
  readonly statistics: Statistics
  readonly options: ResolvedZooKeeperOptions
  readonly connections: ReadonlySet<Connection>
  readonly port: number
  readonly dataFolder: string
  /** Names and values as `mntr` shows them, without `zk_`. */
  readings(): Iterable<readonly [name: string, value: number]>
}

/** The protocol level that is spoken, and whose server this is. */
export const versionText = '3.9.3-khlong-0.1.0, built on 2026-11-23 00:00 UTC'

const hex = (value: number | bigint): string =>
  `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`
const decimal = (value: number): string =>
  Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value * 10_000) / 10_000)

const words: Readonly<Record<string, (view: ServerView) => string>> = {
  ruok: () => 'imok',
  isro: () => 'rw',
  srvr: serverText,
  stat: (view) =>
    `Zookeeper version: ${versionText}\nClients:\n${connectionLines(view, false)}\n${serverText(view, false)}`,
  cons: (view) => `${connectionLines(view, true)}\n`,
  conf: configurationText,
  envi: (view) => environmentText(view),
  mntr: (view) => {
    let text = `zk_version\t${versionText}\nzk_server_state\tstandalone\n`
    for (const [name, value] of view.readings()) text += `zk_${name}\t${value}\n`
    return text
  },
  dump: dumpText,
  wchs: (view) => {
    const { dataWatches, childWatches } = view.state
    const watchers = dataWatches.watcherCount + childWatches.watcherCount
    const paths = dataWatches.pathCount + childWatches.pathCount
    return `${watchers} connections watching ${paths} paths\nTotal watches:${dataWatches.count + childWatches.count}\n`
  },
  wchc: (view) => watchesText(view, true),
  wchp: (view) => watchesText(view, false),
  dirs: (view) => `datadir: ${view.dataFolder}\n`,
  srst: ({ statistics }) => {
    statistics.reset()
    return 'Server stats reset.\n'
  },
  crst: ({ connections }) => {
    for (const connection of connections) {
      connection.packetsReceived = 1
      connection.packetsSent = 0
    }
    return 'Connection stats reset.\n'
  },
}

export const isFourLetterWord = (word: string): boolean => Object.hasOwn(words, word)

/** The answer to a four-letter word, as far as the whitelist allows it. */
export function answerFourLetterWord(word: string, view: ServerView): string {
  const { commands } = view.options
  if (!commands.has('*') && !commands.has(word))
    return `${word} is not executed because it is not in the whitelist.\n`
  return words[word]?.(view) ?? ''
}

function serverText(view: ServerView, withVersion: unknown = true): string {
  const { statistics, state, connections } = view
  const min = Number.isFinite(statistics.latencyMsMin) ? Math.floor(statistics.latencyMsMin) : 0
  const version = withVersion === false ? '' : `Zookeeper version: ${versionText}\n`
  return (
    `${version}Latency min/avg/max: ${min}/${decimal(statistics.latencyMsAverage)}/${Math.floor(statistics.latencyMsMax)}\n` +
    `Received: ${statistics.packetsReceived}\nSent: ${statistics.packetsSent}\n` +
    `Connections: ${connections.size}\nOutstanding: ${statistics.outstandingRequests}\n` +
    `Zxid: ${hex(state.lastZxid)}\nMode: standalone\nNode count: ${state.tree.size + 1}\n`
  )
}

function connectionLines(view: ServerView, withDetails: boolean): string {
  let text = ''
  for (const connection of view.connections) {
    const { address, socket, session } = connection
    const host = address.includes(':') ? `[${address}]` : address
    text += ` /${host}:${socket.remotePort ?? 0}[${session ? 1 : 0}](queued=0,recved=${connection.packetsReceived},sent=${connection.packetsSent}`
    if (withDetails && session)
      text += `,sid=${hex(session.id)},lop=${connection.lastOperation},est=${connection.establishedMs},to=${session.timeoutMs},lzxid=${hex(connection.lastZxid)}`
    text += ')\n'
  }
  return text
}

function configurationText({ options, port, dataFolder }: ServerView): string {
  return (
    `clientPort=${port}\nsecureClientPort=-1\ndataDir=${dataFolder}\ndataDirSize=0\n` +
    `dataLogDir=${dataFolder}\ndataLogSize=0\ntickTime=${options.tickMs}\n` +
    `maxClientCnxns=${options.connectionsPerAddressMax}\n` +
    `minSessionTimeout=${options.sessionTimeoutMsMin}\nmaxSessionTimeout=${options.sessionTimeoutMsMax}\n` +
    'clientPortListenBacklog=-1\nserverId=0\n'
  )
}

function environmentText({ dataFolder }: ServerView): string {
  return (
    `Environment:\nzookeeper.version=${versionText}\nhost.name=${os.hostname()}\n` +
    `node.version=${process.version}\nos.name=${os.type()}\nos.arch=${os.arch()}\n` +
    `os.version=${os.release()}\nuser.dir=${dataFolder}\n`
  )
}

function dumpText({ state, connections }: ServerView): string {
  const byTimeout = [...state.sessions.all()].sort((a, b) => a.timeoutMs - b.timeoutMs)
  let text = `SessionTracker dump:\nGlobal Sessions(${state.sessions.count}):\n`
  for (const session of byTimeout) text += `${hex(session.id)}\t${session.timeoutMs}ms\n`
  const owners = [...state.tree.owners()]
  text += `ephemeral nodes dump:\nSessions with Ephemerals (${owners.length}):\n`
  for (const [owner, paths] of owners) {
    text += `${hex(owner)}:\n`
    for (const path of paths) text += `\t${path}\n`
  }
  text += 'Connections dump:\nConnections Sets:\n'
  for (const connection of connections)
    text += `\t/${connection.address}:${connection.socket.remotePort ?? 0}\n`
  return text
}

function watchesText({ state }: ServerView, bySession: boolean): string {
  const lines = new Map<string, Set<string>>()
  for (const table of [state.dataWatches, state.childWatches]) {
    for (const [path, watchers] of table.entries()) {
      for (const watcher of watchers.keys()) {
        const session = 'sessionId' in watcher ? hex(watcher.sessionId as bigint) : '0x0'
        const [outer, inner] = bySession ? [session, path] : [path, session]
        const set = lines.get(outer)
        if (set) set.add(inner)
        else lines.set(outer, new Set([inner]))
      }
    }
  }
  let text = ''
  for (const [outer, inner] of lines)
    text += `${outer}\n${[...inner].map((one) => `\t${one}\n`).join('')}`
  return text
}
