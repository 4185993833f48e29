import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { type Cut, CutFolder, type FormatVersions } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { partNames } from '../config/part-names.ts'
import { KhlongError } from '../errors.ts'
import type { Supervisor } from '../host/supervisor.ts'
import { ownFolders } from './own-folders.ts'

/** A file of a cut, below `data/` of a backup. */
export interface KeptFile {
  readonly path: string
  /** Where its bytes are until the cut is released. */
  readonly source: string
  readonly sizeBytes?: number
}

/** Everything that a pipeline's data folder was at one moment. */
export interface PipelineCut {
  readonly cutMs: number
  readonly heldMs: number
  readonly parts: readonly { readonly name: PartName; readonly formats: FormatVersions }[]
  readonly files: readonly KeptFile[]
}

export interface PipelineCutOptions {
  readonly supervisor: Supervisor
  readonly running: readonly PartName[]
  /** The pipeline's data folder. */
  readonly data: string
}

/**
 * What acknowledges to others: all of them are cut while Kafka holds. Everything that leaves the MQTT
 * broker is in Kafka first, and everything that a sink has written was read from there, so nothing is
 * acknowledged in one of them that another lacks.
 */
const ofOneMoment: readonly PartName[] = ['kafka', 'zookeeper', 'mqtt', 'mongodb']
/** What nobody's acknowledgement rests on. Streams keep nothing that their changelogs do not have. */
const ofTheirOwn: readonly PartName[] = ['prometheus', 'connect', 'grafana']
const holdMsMax = 20_000
const cutFolderName = 'cut'

/** Cuts a running pipeline, one cut at a time; its files lie in `DATA/cut` until it is released. */
export class PipelineCutter {
  readonly #options: PipelineCutOptions
  readonly #folder: string
  #isBusy = false

  constructor(options: PipelineCutOptions) {
    this.#options = options
    this.#folder = path.join(options.data, cutFolderName)
  }

  /** Removes what was left of a cut when the process was killed: it holds files that are gone else. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /**
   * Takes a cut and gives it to `use`; when that is over the cut is released.
   *
   * @throws KhlongError `KHLONG_BACKUP_BUSY`, `KHLONG_PART_FAILED`
   */
  async cut<Result>(use: (cut: PipelineCut) => Promise<Result>): Promise<Result> {
    if (this.#isBusy)
      throw new KhlongError('KHLONG_BACKUP_BUSY', 'another backup of this pipeline is under way', {
        retriable: true,
      })
    this.#isBusy = true
    try {
      return await use(await this.#take())
    } finally {
      await this.clear()
      this.#isBusy = false
    }
  }

  async #take(): Promise<PipelineCut> {
    const { supervisor, running, data } = this.#options
    for (const { name, status } of supervisor.states())
      if (status !== 'ready')
        throw new KhlongError(
          'KHLONG_PART_FAILED',
          `${name} is ${status}, so there is no whole cut; khlong doctor says why`,
          { retriable: true },
        )
    const cuts = new Map<PartName, Cut>()
    const cut = async (part: PartName): Promise<void> => {
      const into = path.join(this.#folder, part)
      cuts.set(part, (await supervisor.call(part, 'cut', into)) as Cut)
    }
    const isHere = (part: PartName): boolean => running.includes(part)
    await mkdir(this.#folder, { recursive: true })
    const hasKafka = isHere('kafka')
    const heldAtMs = performance.now()
    if (hasKafka) await supervisor.call('kafka', 'hold', holdMsMax)
    const cutMs = Date.now()
    try {
      await Promise.all(ofOneMoment.filter(isHere).map(cut))
    } finally {
      // Where it was held for too long the parts are not of one moment, and it says so.
      if (hasKafka) await supervisor.call('kafka', 'release')
    }
    const heldMs = hasKafka ? performance.now() - heldAtMs : 0
    await Promise.all(ofTheirOwn.filter(isHere).map(cut))
    if (isHere('mongodb')) await supervisor.call('mongodb', 'cutWritten')
    const platform = new CutFolder(data, path.join(this.#folder, 'platform'))
    for (const folder of await ownFolders(data)) platform.keepAll(folder)
    const files = partNames.flatMap((part) =>
      (cuts.get(part)?.files ?? []).map((file) => ({ ...file, path: `${part}/${file.path}` })),
    )
    return {
      cutMs,
      heldMs: Math.round(heldMs),
      parts: partNames.flatMap((name) => {
        const formats = cuts.get(name)?.formats
        return formats === undefined ? [] : [{ name, formats }]
      }),
      files: [...files, ...platform.done({}).files],
    }
  }
}
