import { randomBytes } from 'node:crypto'
import { GrafanaError } from '../errors.ts'
import { checkFormat, readJsonFile, writeJsonFile } from './json-file.ts'

const format = 'khlong-data-sources'
/** See docs/formats/console.md. */
const formatVersion = 1

interface SavedFile {
  readonly format: string
  readonly version: number
  readonly sources: readonly Partial<DataSource>[]
}

/** A data source as Grafana's API shows it. */
export interface DataSource {
  id: number
  uid: string
  orgId: number
  name: string
  type: string
  access: string
  url: string
  database: string
  user: string
  basicAuth: boolean
  isDefault: boolean
  readOnly: boolean
  jsonData: Record<string, unknown>
  version: number
}

export const prometheusType = 'prometheus'
export const mongodbType = 'grafana-mongodb-datasource'

/**
 * The data sources: those that follow from the options, read only, and those that were added
 * through the API. Secrets are not stored: a source that needs them is refused by name.
 */
export class DataSourceStore {
  readonly #file: string
  readonly #sources: DataSource[] = []
  readonly #token: string | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(
    file: string,
    addresses: { prometheus?: string; mongodb?: string; database: string; token?: string },
  ) {
    this.#file = file
    this.#token = addresses.token
    if (addresses.prometheus !== undefined)
      this.#add({
        name: 'Prometheus',
        uid: 'prometheus',
        type: prometheusType,
        url: addresses.prometheus,
        isDefault: true,
      })
    if (addresses.mongodb !== undefined)
      this.#add({
        name: 'MongoDB',
        uid: 'mongodb',
        type: mongodbType,
        // The connection string may carry credentials; it never leaves the server.
        url: '',
        database: addresses.database,
      })
  }

  async open(): Promise<void> {
    const read = ((await readJsonFile(this.#file)) ?? []) as SavedFile | Partial<DataSource>[]
    if (!Array.isArray(read)) checkFormat(this.#file, read.format, read.version, formatVersion)
    const sources = Array.isArray(read) ? read : (read as SavedFile).sources
    for (const source of sources)
      if (!this.#clash(source)) this.#add({ ...source, readOnly: false })
  }

  list(): readonly DataSource[] {
    return this.#sources
  }

  byUid(uid: string): DataSource | undefined {
    return this.#sources.find((source) => source.uid === uid)
  }

  byId(id: number): DataSource | undefined {
    return this.#sources.find((source) => source.id === id)
  }

  byName(name: string): DataSource | undefined {
    return this.#sources.find((source) => source.name === name)
  }

  /** Finds what a panel means: an object with uid or type, a name, or nothing for the default. */
  find(reference: unknown): DataSource | undefined {
    if (typeof reference === 'string' && reference !== '' && !reference.startsWith('${'))
      return this.byUid(reference) ?? this.byName(reference)
    const { uid, type } = (reference ?? {}) as { uid?: unknown; type?: unknown }
    if (typeof uid === 'string' && uid !== '' && !uid.startsWith('${')) {
      const exact = this.byUid(uid) ?? this.byName(uid)
      if (exact) return exact
    }
    // An exported dashboard names a source of another installation; its type still tells which.
    if (typeof type === 'string' && type !== '')
      return this.#sources.find((source) => source.type === type)
    return this.#sources.find((source) => source.isDefault) ?? this.#sources[0]
  }

  /** What a source is shown; only for the one that the options name, so that no other learns it. */
  tokenOf(source: DataSource): string | undefined {
    return source.readOnly && source.type === prometheusType ? this.#token : undefined
  }

  /** Adds a source and resolves when it is on disk. */
  add(request: Partial<DataSource> & { secureJsonData?: object }): Promise<DataSource> {
    const added = this.#writing.catch(() => {}).then(() => this.#addChecked(request))
    this.#writing = added
    return added
  }

  async #addChecked(
    request: Partial<DataSource> & { secureJsonData?: object },
  ): Promise<DataSource> {
    if (!request.name || !request.type)
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'bad request data')
    if (this.#clash(request))
      throw new GrafanaError('GRAFANA_CONFLICT', 'data source with the same name already exists')
    if (request.type !== prometheusType)
      throw new GrafanaError(
        'GRAFANA_BAD_REQUEST',
        `data sources of type ${request.type} are not supported yet; known: ${prometheusType}, and ${mongodbType} through the setting mongodb`,
      )
    if (request.basicAuth || Object.keys(request.secureJsonData ?? {}).length > 0)
      throw new GrafanaError(
        'GRAFANA_BAD_REQUEST',
        'data sources with credentials are not supported yet',
      )
    if (!URL.canParse(request.url ?? ''))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'invalid data source URL')
    const source = this.#add({ ...request, readOnly: false })
    if (source.isDefault)
      for (const other of this.#sources) if (other !== source) other.isDefault = false
    await writeJsonFile(this.#file, {
      format,
      version: formatVersion,
      sources: this.#sources.filter((each) => !each.readOnly),
    })
    return source
  }

  #clash(source: Partial<DataSource>): boolean {
    return this.#sources.some(
      (other) =>
        other.name === source.name || (source.uid !== undefined && other.uid === source.uid),
    )
  }

  #add(source: Partial<DataSource>): DataSource {
    const full: DataSource = {
      id: this.#sources.length + 1,
      uid: source.uid || randomBytes(6).toString('base64url'),
      orgId: 1,
      name: source.name ?? '',
      type: source.type ?? prometheusType,
      access: 'proxy',
      url: source.url ?? '',
      database: source.database ?? '',
      user: '',
      basicAuth: false,
      isDefault: source.isDefault ?? false,
      readOnly: source.readOnly ?? true,
      jsonData: source.jsonData ?? {},
      version: 1,
    }
    this.#sources.push(full)
    return full
  }
}
