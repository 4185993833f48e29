import {
  checkSettings,
  type ListenAddress,
  parseListen,
  SettingsError,
  type SettingsSource,
} from '@khlong/core'
import { z } from 'zod'
import { ZooKeeperError } from './errors.ts'

/** Settings of `zoo.cfg`, by the names that ZooKeeper gives them, and where to listen and store. */
export interface ZooKeeperServerOptions {
  /** Port or host:port of the clients' listener; ZooKeeper's own 2181 on 127.0.0.1. */
  listen?: number | string
  /** The folder of snapshots and logs; `./data/zookeeper`. */
  data?: string
  /** Listening beyond this machine without authentication must be asked for. */
  allow_anonymous?: boolean
  tickTime?: number
  minSessionTimeout?: number
  maxSessionTimeout?: number
  maxClientCnxns?: number
  snapCount?: number
  forceSync?: boolean | 'yes' | 'no'
  'jute.maxbuffer'?: number
  '4lw.commands.whitelist'?: string
  'autopurge.snapRetainCount'?: number
  'DigestAuthenticationProvider.superDigest'?: string
  'znode.container.checkIntervalMs'?: number
  extendedTypesEnabled?: boolean
  skipACL?: boolean | 'yes' | 'no'
}

const yesOrNo = z
  .union([z.boolean(), z.enum(['yes', 'no'])])
  .transform((value) => value === true || value === 'yes')
const positive = z.number().int().positive()

const schema = z.strictObject({
  listen: z.union([z.number(), z.string()]).default(2181),
  data: z.string().default('./data/zookeeper'),
  allow_anonymous: z.boolean().default(false),
  tickTime: positive.default(2000),
  minSessionTimeout: z.number().int().min(-1).default(-1),
  maxSessionTimeout: z.number().int().min(-1).default(-1),
  maxClientCnxns: z.number().int().min(0).default(60),
  snapCount: z.number().int().min(2).default(100_000),
  forceSync: yesOrNo.default(true),
  'jute.maxbuffer': positive.default(0xfffff),
  '4lw.commands.whitelist': z.string().default('srvr'),
  'autopurge.snapRetainCount': z.number().int().min(3).default(3),
  'DigestAuthenticationProvider.superDigest': z.string().optional(),
  'znode.container.checkIntervalMs': positive.default(60_000),
  extendedTypesEnabled: z.boolean().default(true),
  skipACL: yesOrNo.default(false),
})

/** What is to be done instead of, or why not, by the key of ZooKeeper's that is not a setting here. */
const elsewhere: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^clientPort$/, 'use listen'],
  [/^clientPortAddress$/, 'use listen'],
  [/^(dataDir|dataLogDir)$/, 'use data'],
  [
    /^(server\.|group\.|weight\.|initLimit|syncLimit|electionAlg|leaderServes|quorum|peerType|observer|cnxTimeout|standaloneEnabled|reconfigEnabled|dynamicConfigFile|localSessions)/,
    'not supported yet: this server stands alone; an ensemble needs the real ZooKeeper',
  ],
  [
    /^(secureClientPort|ssl\.|authProvider\.|requireClientAuthScheme|jaasLoginRenew|kerberos\.|sessionRequireClientSASLAuth|enforce\.auth|admin\.|metricsProvider\.|enforceQuota|autopurge\.purgeInterval|globalOutstandingLimit|preAllocSize|serverCnxnFactory|fsync\.|snapshot\.|commitLogCount|portUnification|txnLogSizeLimitInKb|snapSizeLimitInKb)/,
    'not supported yet',
  ],
]

export interface ResolvedZooKeeperOptions {
  readonly listen: ListenAddress
  readonly data: string
  readonly tickMs: number
  readonly sessionTimeoutMsMin: number
  readonly sessionTimeoutMsMax: number
  /** Connections per address; 0 is no limit. */
  readonly connectionsPerAddressMax: number
  readonly snapshotTransactions: number
  readonly forceSync: boolean
  readonly frameBytesMax: number
  readonly commands: ReadonlySet<string>
  readonly snapshotsKept: number
  readonly superDigest: string | undefined
  readonly containerCheckMs: number
  readonly extendedTypesEnabled: boolean
  readonly skipAcl: boolean
}

/**
 * Checks settings and fills in defaults.
 *
 * @throws SettingsError `SETTINGS_INVALID`, also for settings of ZooKeeper's that are not supported.
 */
export function resolveZooKeeperOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): ResolvedZooKeeperOptions {
  for (const key of Object.keys(settings ?? {})) {
    const found = elsewhere.find(([pattern]) => pattern.test(key))
    if (!found) continue
    const line = source.line?.([key])
    const where = line === undefined ? source.name : `${source.name}:${line}`
    throw new SettingsError(`${where}: ${key}: ${found[1]}`, { file: source.name, key })
  }
  const options = checkSettings(schema, settings ?? {}, source)
  const { tickTime, minSessionTimeout, maxSessionTimeout } = options
  const sessionTimeoutMsMin = minSessionTimeout === -1 ? tickTime * 2 : minSessionTimeout
  const sessionTimeoutMsMax = maxSessionTimeout === -1 ? tickTime * 20 : maxSessionTimeout
  if (sessionTimeoutMsMin > sessionTimeoutMsMax)
    throw new SettingsError(
      `${source.name}: minSessionTimeout: ${sessionTimeoutMsMin} ms is above the maxSessionTimeout of ${sessionTimeoutMsMax} ms`,
      { file: source.name, key: 'minSessionTimeout' },
    )
  const listen = parseListen(options.listen)
  if (!isLoopback(listen.host) && !options.allow_anonymous)
    throw new ZooKeeperError(
      'ZOOKEEPER_LISTEN_OPEN',
      `${source.name}: listen: anybody who reaches ${listen.host} could change every znode; say allow_anonymous: true where that is meant`,
      { fields: { file: source.name, key: 'listen' } },
    )
  return {
    listen,
    data: options.data,
    tickMs: tickTime,
    sessionTimeoutMsMin,
    sessionTimeoutMsMax,
    connectionsPerAddressMax: options.maxClientCnxns,
    snapshotTransactions: options.snapCount,
    forceSync: options.forceSync,
    frameBytesMax: options['jute.maxbuffer'],
    commands: new Set(options['4lw.commands.whitelist'].split(',').map((word) => word.trim())),
    snapshotsKept: options['autopurge.snapRetainCount'],
    superDigest: options['DigestAuthenticationProvider.superDigest'],
    containerCheckMs: options['znode.container.checkIntervalMs'],
    extendedTypesEnabled: options.extendedTypesEnabled,
    skipAcl: options.skipACL,
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\./.test(host)
