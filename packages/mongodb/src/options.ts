import {
  checkSettings,
  type ListenAddress,
  parseListen,
  SettingsError,
  type SettingsSource,
} from '@khlong/core'
import { z } from 'zod'

const unsupportedKeys: Readonly<Record<string, true>> = {
  'replication.replSetName': true,
  'sharding.clusterRole': true,
  'net.tls.mode': true,
  'net.ipv6': true,
  'net.unixDomainSocket.enabled': true,
  'storage.engine': true,
  'storage.wiredTiger.engineConfig.cacheSizeGB': true,
  'storage.directoryPerDB': true,
  'operationProfiling.mode': true,
  'security.keyFile': true,
  'systemLog.path': true,
  'processManagement.fork': true,
  'setParameter.diagnosticDataCollectionEnabled': true,
}

const user = z.strictObject({
  user: z.string().min(1),
  pwd: z.string().min(1),
  /** The database in which the user is defined: `authSource` of a connection string. */
  db: z.string().min(1).default('admin'),
})

const schema = z.strictObject({
  listen: z.union([z.number(), z.string()]).default(27017),
  data: z.string().default('./data/mongodb'),
  /** A port to listen on, as in mongod.conf; `listen` goes before it. */
  'net.port': z.number().int().min(0).max(65_535).optional(),
  'net.bindIp': z.string().optional(),
  'net.maxIncomingConnections': z.number().int().min(5).default(1_000),
  'storage.dbPath': z.string().optional(),
  /** A journal that is off means: acknowledged before it is on the disk. It is refused. */
  'storage.journal.enabled': z.literal(true).optional(),
  'security.authorization': z.enum(['enabled', 'disabled']).default('disabled'),
  /** As MongoDB's server parameter; a pass looks for documents that have expired. */
  'setParameter.ttlMonitorEnabled': z.boolean().default(true),
  'setParameter.ttlMonitorSleepSecs': z.number().int().min(1).default(60),
  'setParameter.cursorTimeoutMillis': z.number().int().min(1).default(600_000),
  /** Open cursors at most; a sort that one holds may take 32 MB. */
  cursorsMax: z.number().int().min(1).default(2_000),
  /** Users that may log in: by SCRAM-SHA-256. */
  users: z.array(user).default([]),
  /** Listening beyond this machine without users is refused unless this is set. */
  allow_anonymous: z.boolean().default(false),
})

/** A user that may log in. */
export interface UserSettings {
  readonly user: string
  readonly pwd: string
  readonly db: string
}

/** What a caller may give: keys of mongod.conf, and `listen`, `data`, `users`. */
export interface MongodbOptions {
  listen?: number | string
  data?: string
  'net.port'?: number
  'net.bindIp'?: string
  'net.maxIncomingConnections'?: number
  'storage.dbPath'?: string
  'storage.journal.enabled'?: true
  'security.authorization'?: 'enabled' | 'disabled'
  'setParameter.ttlMonitorEnabled'?: boolean
  'setParameter.ttlMonitorSleepSecs'?: number
  'setParameter.cursorTimeoutMillis'?: number
  cursorsMax?: number
  users?: readonly { user: string; pwd: string; db?: string }[]
  allow_anonymous?: boolean
}

/** Options with their defaults. */
export interface MongodbSettings {
  readonly address: ListenAddress
  readonly data: string
  readonly connectionsMax: number
  readonly isAuthorizationOn: boolean
  readonly users: readonly UserSettings[]
  readonly isTtlOn: boolean
  readonly ttlSeconds: number
  readonly cursorTimeoutMs: number
  readonly cursorsMax: number
}

/** @throws SettingsError for keys that are unknown, wrong or not supported yet */
export function resolveMongodbOptions(
  settings: unknown,
  source: SettingsSource = { name: 'options' },
): MongodbSettings {
  if (typeof settings === 'object' && settings !== null)
    for (const key in settings)
      if (unsupportedKeys[key])
        throw new SettingsError(`${source.name}: ${key}: not supported yet`, {
          file: source.name,
          key,
        })
  const given = checkSettings(schema, settings ?? {}, source)
  const raw = (settings ?? {}) as Record<string, unknown>
  const address =
    raw.listen === undefined &&
    (given['net.port'] !== undefined || given['net.bindIp'] !== undefined)
      ? parseListen(given['net.port'] ?? 27017, given['net.bindIp'] ?? '127.0.0.1')
      : parseListen(given.listen)
  const isAuthorizationOn = given['security.authorization'] === 'enabled'
  if (isAuthorizationOn && given.users.length === 0)
    throw new SettingsError(`${source.name}: security.authorization: needs users`, {
      file: source.name,
      key: 'security.authorization',
    })
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(address.host)
  if (!isLocal && !isAuthorizationOn && !given.allow_anonymous)
    throw new SettingsError(
      `${source.name}: listen: ${address.host} is reachable from other machines; set security.authorization: enabled and users, or allow_anonymous: true`,
      { file: source.name, key: 'listen' },
    )
  return {
    address,
    data: raw.data === undefined && given['storage.dbPath'] ? given['storage.dbPath'] : given.data,
    connectionsMax: given['net.maxIncomingConnections'],
    isAuthorizationOn,
    users: given.users,
    isTtlOn: given['setParameter.ttlMonitorEnabled'],
    ttlSeconds: given['setParameter.ttlMonitorSleepSecs'],
    cursorTimeoutMs: given['setParameter.cursorTimeoutMillis'],
    cursorsMax: given.cursorsMax,
  }
}
