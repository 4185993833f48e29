import { createRequire } from 'node:module'
import { GrafanaError, upstreamFailed } from '../errors.ts'

/** The little of node-zookeeper-client that is used here; the package has no types of its own. */
interface ZooKeeperClient {
  connect(): void
  close(): void
  once(event: 'connected' | 'disconnected' | 'expired', listener: () => void): void
  getChildren(path: string, done: (error: ZooKeeperFault | null, names: string[]) => void): void
  getData(
    path: string,
    done: (error: ZooKeeperFault | null, data: Buffer | undefined, stat: RawStat) => void,
  ): void
  getACL(path: string, done: (error: ZooKeeperFault | null, acls: RawAcl[]) => void): void
}

interface ZooKeeperFault extends Error {
  getCode?(): number
  name: string
}

interface RawAcl {
  permission: number
  id: { scheme: string; id: string }
}

type RawStat = Record<string, unknown>

/** A znode with its children, data, stat and ACL. */
export interface Znode {
  readonly path: string
  readonly children: readonly string[]
  readonly childrenTotal: number
  readonly text: string
  readonly isText: boolean
  readonly bytes: number
  readonly stat: Readonly<Record<string, number | string>>
  readonly acls: readonly { scheme: string; id: string; permissions: string }[]
}

const childrenMax = 1_000
const textMax = 20_000
const connectMs = 3_000
const idleMs = 20_000

/** One read-only session, opened when it is needed and given back when nobody asks. */
export class ZooKeeperLink {
  readonly #servers: string
  #client: Promise<ZooKeeperClient> | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(servers: string) {
    this.#servers = servers
  }

  async read(path: string): Promise<Znode> {
    if (!path.startsWith('/') || path.includes('\0') || (path !== '/' && path.endsWith('/')))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', `${path} is not the path of a znode`)
    const client = await this.#connected()
    const [data, children, acls] = await Promise.all([
      call<[Buffer | undefined, RawStat]>((done) =>
        client.getData(path, (error, bytes, stat) => done(error, [bytes, stat])),
      ),
      call<string[]>((done) => client.getChildren(path, done)),
      // Reading the ACL may be denied where reading the data is not.
      call<RawAcl[]>((done) => client.getACL(path, done)).catch(() => []),
    ])
    const [bytes = Buffer.alloc(0), stat] = data
    const text = bytes.subarray(0, textMax).toString('utf8')
    const isText = !text.includes('\uFFFD')
    return {
      path,
      children: children.sort((a, b) => a.localeCompare(b)).slice(0, childrenMax),
      childrenTotal: children.length,
      text: isText ? text : bytes.subarray(0, 2_000).toString('hex'),
      isText,
      bytes: bytes.length,
      stat: statOf(stat),
      acls: acls.map(({ permission, id }) => ({
        scheme: id.scheme,
        id: id.id,
        permissions: permissionsOf(permission),
      })),
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const client = await this.#client?.catch(() => undefined)
    this.#client = undefined
    client?.close()
  }

  #connected(): Promise<ZooKeeperClient> {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => void this.close(), idleMs).unref()
    this.#client ??= this.#connect()
    return this.#client
  }

  async #connect(): Promise<ZooKeeperClient> {
    const library = createRequire(import.meta.url)('node-zookeeper-client') as {
      createClient(servers: string, options: object): ZooKeeperClient
    }
    const client = library.createClient(this.#servers, { sessionTimeout: 10_000, retries: 0 })
    const forget = (): void => {
      this.#client = undefined
    }
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`no session within ${connectMs} ms`)),
          connectMs,
        )
        client.once('connected', () => {
          clearTimeout(timer)
          resolve()
        })
        client.connect()
      })
    } catch (error) {
      forget()
      client.close()
      throw upstreamFailed('zookeeper', `ZooKeeper at ${this.#servers} does not answer`, error)
    }
    client.once('disconnected', forget)
    client.once('expired', forget)
    return client
  }
}

function call<Value>(
  start: (done: (error: ZooKeeperFault | null, value: Value) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (!error) resolve(value)
      else if (error.name === 'NO_NODE')
        reject(new GrafanaError('GRAFANA_NOT_FOUND', 'there is no such znode'))
      else if (error.name === 'NO_AUTH')
        reject(new GrafanaError('GRAFANA_FORBIDDEN', 'the ACL of the znode denies reading it'))
      else reject(upstreamFailed('zookeeper', error.message, error))
    })
  })
}

/** The fields of a stat; 64-bit ones come as eight bytes, and the record's own grammar is left out. */
function statOf(stat: RawStat): Record<string, number | string> {
  const fields: Record<string, number | string> = {}
  for (const [name, value] of Object.entries(stat))
    if (typeof value === 'number') fields[name] = value
    else if (value instanceof Uint8Array && value.length === 8) {
      const big = Buffer.from(value).readBigInt64BE(0)
      fields[name] =
        name === 'ctime' || name === 'mtime'
          ? Number(big)
          : `0x${BigInt.asUintN(64, big).toString(16)}`
    }
  return fields
}

function permissionsOf(bits: number): string {
  return ['r', 'w', 'c', 'd', 'a'].filter((_, index) => bits & (1 << index)).join('')
}
