import {
  type ConfigField,
  type ConfigMap,
  ignored,
  password,
  string,
  unsupported,
} from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { ConnectError } from '../../errors.ts'
import type { TaskContext } from '../../plugin.ts'
import type { Database } from './database.ts'

/** Options that sink and source share, named as Confluent's and Aiven's connectors name them. */
export const connectionFields: {
  readonly 'connection.url': ConfigField<string>
  readonly 'connection.user': ConfigField<string | undefined>
  readonly 'connection.password': ConfigField<string | undefined>
  readonly [name: string]: ConfigField<unknown>
} = {
  'connection.url': string(
    'jdbc:postgresql://HOST[:PORT]/DATABASE or jdbc:sqlite:FILE. Of PostgreSQL’s parameters user, password, ssl, sslmode, currentSchema and ApplicationName are known.',
    {
      importance: 'HIGH',
      check: (text) => {
        try {
          parseJdbcUrl(text)
          return undefined
        } catch (error) {
          return (error as Error).message
        }
      },
    },
  ),
  'connection.user': string('The user of the database.', { optional: true, importance: 'HIGH' }),
  'connection.password': password('The user’s password.', { optional: true, importance: 'HIGH' }),
  'dialect.name': string('The kind of database; by default what the URL says.', {
    default: '',
    importance: 'LOW',
    choices: ['', 'PostgreSqlDatabaseDialect', 'SqliteDatabaseDialect'],
  }),
  'connection.attempts': ignored('the task connects again for as long as it runs'),
  'connection.backoff.ms': ignored('the waits between attempts grow from 300 ms to 10 s'),
  'connection.ds.pool.size': ignored('each task has one connection'),
  'db.timezone': string('The zone of dates and times in the database.', {
    default: 'UTC',
    check: (zone) => (zone === 'UTC' ? undefined : 'not supported yet: a zone other than UTC'),
  }),
  'jdbc.credentials.provider.class': unsupported('providers of credentials'),
}

export const connectionSpec: ConfigSpec<typeof connectionFields> = new ConfigSpec(
  connectionFields,
  'Connection',
)

/** What a JDBC URL says. */
export type JdbcUrl =
  | { readonly kind: 'sqlite'; readonly file: string }
  | {
      readonly kind: 'postgresql'
      readonly host: string
      readonly port: number
      readonly database: string
      readonly parameters: Readonly<Record<string, string>>
    }

const parametersKnown = new Set([
  'user',
  'password',
  'ssl',
  'sslmode',
  'currentSchema',
  'ApplicationName',
])

/** @throws ConnectError `CONNECT_CONFIG` */
export function parseJdbcUrl(text: string): JdbcUrl {
  const wrong = (what: string): ConnectError => new ConnectError('CONNECT_CONFIG', what)
  const sqlite = /^jdbc:sqlite:(.+)$/.exec(text)
  if (sqlite) {
    const file = sqlite[1]!
    if (file.includes('?')) throw wrong('parameters in the URL of SQLite are not supported yet')
    return { kind: 'sqlite', file }
  }
  if (!text.startsWith('jdbc:postgresql:'))
    throw wrong('expected jdbc:postgresql://HOST[:PORT]/DATABASE or jdbc:sqlite:FILE')
  const url = URL.parse(text.slice('jdbc:'.length))
  if (!url || url.pathname.length < 2 || url.hostname === '')
    throw wrong('expected jdbc:postgresql://HOST[:PORT]/DATABASE')
  if (url.hostname.includes(',')) throw wrong('several hosts in the URL are not supported yet')
  const parameters = Object.fromEntries(url.searchParams)
  const unknown = Object.keys(parameters).find((name) => !parametersKnown.has(name))
  if (unknown !== undefined) throw wrong(`the parameter ${unknown} in the URL is not known`)
  const mode = parameters.sslmode
  if (mode !== undefined && !['disable', 'require', 'verify-ca', 'verify-full'].includes(mode))
    throw wrong(`sslmode ${mode} is not known; use disable, require, verify-ca or verify-full`)
  return {
    kind: 'postgresql',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 5432 : Number(url.port),
    database: decodeURIComponent(url.pathname.slice(1)),
    parameters,
  }
}

/** A name for the flow page, without a password. */
export function describeUrl(config: ConfigMap): string {
  try {
    const url = parseJdbcUrl(config['connection.url'] ?? '')
    return url.kind === 'sqlite' ? `sqlite:${url.file}` : `postgresql:${url.database}`
  } catch {
    return 'jdbc'
  }
}

/** The database that the options name; it connects with its first use. */
export async function openDatabase(
  options: ConfigValues<typeof connectionFields>,
  context: TaskContext,
): Promise<Database> {
  const url = parseJdbcUrl(options['connection.url'])
  if (url.kind === 'sqlite') {
    const { SqliteDatabase } = await import('./sqlite.ts')
    return new SqliteDatabase(url.file)
  }
  const { PostgresDatabase } = await import('./postgres.ts')
  const { parameters } = url
  const address = context.resolveHost(`${url.host}:${url.port}`)
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? ['', address, String(url.port)]
  return new PostgresDatabase({
    host: host!,
    port: Number(port),
    database: url.database,
    user: options['connection.user'] ?? parameters.user,
    password: options['connection.password'] ?? parameters.password,
    schema: parameters.currentSchema,
    applicationName: parameters.ApplicationName ?? `khlong-connect ${context.connector}`,
    tls: tlsOf(parameters),
  })
}

function tlsOf({ ssl, sslmode }: Readonly<Record<string, string>>): 'off' | 'on' | 'verified' {
  if (sslmode === 'disable') return 'off'
  if (sslmode === 'require') return 'on'
  return sslmode !== undefined || ssl === 'true' || ssl === '' ? 'verified' : 'off'
}
