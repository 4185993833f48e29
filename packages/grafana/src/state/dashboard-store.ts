import { randomBytes } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describeError, type Logger } from '@khlong/core'
import { GrafanaError } from '../errors.ts'
import { slugOf } from '../model/slug.ts'
import { checkFormat, readJsonFile, writeJsonFile } from './json-file.ts'

const format = 'khlong-dashboard'
/** See docs/formats/console.md; `version` in the file is the dashboard's own. */
const formatVersion = 1

/** A dashboard's JSON as Grafana exports it. Only what the store itself needs is typed. */
export interface DashboardJson {
  uid?: string
  id?: number | null
  title?: string
  version?: number
  tags?: string[]
  [key: string]: unknown
}

/** A stored dashboard with what is known about it beside its JSON. */
export interface StoredDashboard {
  readonly id: number
  readonly uid: string
  readonly slug: string
  readonly title: string
  readonly tags: readonly string[]
  readonly version: number
  readonly provisioned: boolean
  /** The provisioned file's name; empty for a saved one. */
  readonly file: string
  readonly createdMs: number
  readonly updatedMs: number
  readonly dashboard: DashboardJson
}

interface SavedFile extends StoredDashboard {
  readonly format?: string
  readonly formatVersion?: number
}

export interface SaveRequest {
  readonly dashboard: DashboardJson
  readonly overwrite: boolean
}

/**
 * All dashboards: those of the provisioned folder, read only and read again when a file changes,
 * and those that were saved through the API, one file each.
 *
 * Invariants: a uid names one dashboard; a provisioned one wins over a saved one of the same uid;
 * a save is acknowledged after it is flushed.
 */
export class DashboardStore {
  readonly #savedFolder: string
  readonly #provisionedFolder: string | undefined
  readonly #logger: Logger
  readonly #onChange: () => void
  readonly #saved = new Map<string, StoredDashboard>()
  #provisioned = new Map<string, StoredDashboard>()
  readonly #problems = new Map<string, string>()
  #idNext = 1
  readonly #idByUid = new Map<string, number>()
  #watcher: FSWatcher | undefined
  #reloadTimer: NodeJS.Timeout | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(options: {
    savedFolder: string
    provisionedFolder: string | undefined
    logger: Logger
    onChange: () => void
  }) {
    this.#savedFolder = options.savedFolder
    this.#provisionedFolder = options.provisionedFolder
    this.#logger = options.logger
    this.#onChange = options.onChange
  }

  /** Why a provisioned file is not shown, by file name. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems
  }

  async open(): Promise<void> {
    for (const name of await namesIn(this.#savedFolder)) {
      const file = path.join(this.#savedFolder, name)
      const read = (await readJsonFile(file)) as SavedFile
      checkFormat(file, read.format, read.formatVersion, formatVersion)
      const { format: _, formatVersion: __, ...saved } = read
      this.#saved.set(saved.uid, { ...saved, id: this.#idOf(saved.uid), provisioned: false })
    }
    await this.#readProvisioned()
    if (!this.#provisionedFolder) return
    try {
      this.#watcher = watch(this.#provisionedFolder, () => this.#reloadSoon())
      this.#watcher.on('error', (error) => {
        this.#logger.warn({ err: error }, 'dashboards are no longer watched')
      })
      this.#watcher.unref()
    } catch (error) {
      this.#logger.warn({ err: error }, 'dashboards are not watched')
    }
  }

  async close(): Promise<void> {
    this.#watcher?.close()
    clearTimeout(this.#reloadTimer)
    await this.#writing.catch(() => {})
  }

  /** All dashboards, by title. */
  list(): StoredDashboard[] {
    const all = new Map([...this.#saved, ...this.#provisioned])
    return [...all.values()].sort((a, b) => a.title.localeCompare(b.title))
  }

  get(uid: string): StoredDashboard | undefined {
    return this.#provisioned.get(uid) ?? this.#saved.get(uid)
  }

  /**
   * Stores a dashboard and resolves when it is on disk.
   *
   * @throws GrafanaError with the `status` words that Grafana answers.
   */
  save(request: SaveRequest): Promise<StoredDashboard> {
    const saved = this.#writing.catch(() => {}).then(() => this.#save(request))
    this.#writing = saved
    return saved
  }

  async #save({ dashboard, overwrite }: SaveRequest): Promise<StoredDashboard> {
    const title = dashboard.title?.trim() ?? ''
    if (title === '')
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'Dashboard title cannot be empty', {
        wireStatus: 'empty-name',
      })
    const uid = dashboard.uid || randomBytes(6).toString('base64url')
    if (!/^[\w-]{1,40}$/.test(uid))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'uid contains illegal characters', {
        wireStatus: 'invalid-uid',
      })
    if (this.#provisioned.has(uid))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'Cannot save provisioned dashboard', {
        fields: { uid },
      })
    const before = this.#saved.get(uid)
    if (!overwrite) {
      if (before && (dashboard.version ?? 0) !== before.version)
        throw new GrafanaError(
          'GRAFANA_PRECONDITION_FAILED',
          'The dashboard has been changed by someone else',
          { wireStatus: 'version-mismatch' },
        )
      if (this.list().some((other) => other.uid !== uid && other.title === title))
        throw new GrafanaError(
          'GRAFANA_PRECONDITION_FAILED',
          'A dashboard with the same name in the folder already exists',
          { wireStatus: 'name-exists' },
        )
    }
    const nowMs = Date.now()
    const version = (before?.version ?? 0) + 1
    const stored = this.#describe(
      { ...dashboard, title, uid, version },
      {
        uid,
        provisioned: false,
        file: '',
        createdMs: before?.createdMs ?? nowMs,
        updatedMs: nowMs,
      },
    )
    await writeJsonFile(path.join(this.#savedFolder, `${uid}.json`), {
      format,
      formatVersion,
      ...stored,
    })
    this.#saved.set(uid, stored)
    this.#onChange()
    return stored
  }

  #reloadSoon(): void {
    clearTimeout(this.#reloadTimer)
    // An editor writes a file in several steps; one reading after them is enough.
    this.#reloadTimer = setTimeout(() => {
      this.#readProvisioned().then(this.#onChange, (error) => {
        this.#logger.warn({ err: error }, 'dashboards could not be read again')
      })
    }, 150).unref()
  }

  async #readProvisioned(): Promise<void> {
    const folder = this.#provisionedFolder
    if (!folder) return
    const found = new Map<string, StoredDashboard>()
    this.#problems.clear()
    for (const name of await namesIn(folder)) {
      try {
        const parsed: unknown = JSON.parse(await readFile(path.join(folder, name), 'utf8'))
        const dashboard = unwrap(parsed)
        const uid = dashboard.uid || path.basename(name, '.json')
        const before = this.#provisioned.get(uid)
        const nowMs = Date.now()
        found.set(
          uid,
          this.#describe(
            { ...dashboard, uid },
            {
              uid,
              provisioned: true,
              file: name,
              createdMs: before?.createdMs ?? nowMs,
              updatedMs: nowMs,
            },
          ),
        )
      } catch (error) {
        this.#problems.set(name, describeError(error))
        this.#logger.warn(
          { file: path.join(folder, name), err: error },
          'dashboard is not readable',
        )
      }
    }
    this.#provisioned = found
  }

  #describe(
    dashboard: DashboardJson,
    rest: Pick<StoredDashboard, 'uid' | 'provisioned' | 'file' | 'createdMs' | 'updatedMs'>,
  ): StoredDashboard {
    const title = dashboard.title ?? rest.uid
    const id = this.#idOf(rest.uid)
    const version = dashboard.version ?? 1
    const tags = Array.isArray(dashboard.tags) ? dashboard.tags.map(String) : []
    return {
      ...rest,
      id,
      title,
      slug: slugOf(title),
      tags,
      version,
      dashboard: { ...dashboard, id },
    }
  }

  #idOf(uid: string): number {
    const known = this.#idByUid.get(uid)
    if (known !== undefined) return known
    this.#idByUid.set(uid, this.#idNext)
    return this.#idNext++
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Takes the dashboard out of an API body (`{dashboard}`) or a V1 resource (`{spec}`). */
function unwrap(parsed: unknown): DashboardJson {
  if (typeof parsed !== 'object' || parsed === null) throw new Error('expected a JSON object')
  const outer = parsed as { dashboard?: DashboardJson; spec?: DashboardJson; kind?: string }
  if (outer.spec?.elements)
    throw new Error('dashboard schema V2 is not supported yet; export it as classic JSON')
  return outer.dashboard ?? outer.spec ?? (parsed as DashboardJson)
}
