import { describeError } from '@khlong/core'
import { Document, parse } from 'yaml'
import { askedForParts, type PartName, partNames } from '../config/part-names.ts'
import { makePart } from '../parts/load.ts'

/** What became of one thing of the project. */
export interface ImportNote {
  readonly outcome: 'taken' | 'changed' | 'left out'
  /** File, service or key. */
  readonly what: string
  /** Where it went, what is different, or why it is not taken and what to do instead. */
  readonly why: string
}

/** A pipeline folder as it is being put together: settings, files, and what is said of each. */
export class PipelineDraft {
  readonly notes: ImportNote[] = []
  /** Contents by path inside the folder. */
  readonly files: Map<string, string> = new Map()
  readonly #sections = new Map<PartName, Record<string, unknown> | false>()
  readonly #hosts: Record<string, string> = {}

  taken(what: string, why: string): void {
    this.notes.push({ outcome: 'taken', what, why })
  }

  changed(what: string, why: string): void {
    this.notes.push({ outcome: 'changed', what, why })
  }

  leftOut(what: string, why: string): void {
    this.notes.push({ outcome: 'left out', what, why })
  }

  /** The part runs, with default settings until others are set. */
  use(part: PartName): void {
    if (!this.#sections.get(part)) this.#sections.set(part, {})
  }

  uses(part: PartName): boolean {
    return Boolean(this.#sections.get(part))
  }

  set(part: PartName, key: string, value: unknown): void {
    this.#sections.set(part, { ...(this.#sections.get(part) || {}), [key]: value })
  }

  /** `host` of the project's files means a part of ours, or `khlong`. */
  mapHost(host: string, target: PartName | 'khlong'): void {
    this.#hosts[host] = target
  }

  isMapped(host: string): boolean {
    return Object.hasOwn(this.#hosts, host)
  }

  /**
   * Takes over settings that a container got by variables, each by its real name. A part's own check
   * decides; what it refuses is left out with its reason.
   */
  async takeSettings(
    part: PartName,
    service: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<void> {
    for (const [key, text] of Object.entries(settings)) {
      const what = `${service}: ${key}${/password|secret|jaas|token/i.test(key) ? '' : `=${text}`}`
      const value: unknown = text === '' ? '' : parse(text)
      try {
        await makePart(part, { data: './data', [key]: value }, { name: 'import' }, {})
        this.set(part, key, value)
        this.taken(what, `${part}.${key} of khlong.yml`)
      } catch (error) {
        const reason = describeError(error).replace(/^import: [^:]*: /, '')
        this.leftOut(what, reason)
      }
    }
  }

  /** The text of `khlong.yml`. Parts that the project has nothing in place of are left out of it. */
  khlongYml(name: string): string {
    const document = new Document({ name, data: './data' })
    if (Object.keys(this.#hosts).length > 0) document.set('hosts', this.#hosts)
    for (const part of partNames) {
      const section = this.#sections.get(part)
      if (section === undefined && askedForParts.includes(part)) continue
      document.set(part, section ?? false)
    }
    document.commentBefore = ` Made by khlong import; IMPORT.md says what was taken over, and what was not.`
    return document.toString({ lineWidth: 120 })
  }

  /** The report that goes beside `khlong.yml`. */
  report(from: string): string {
    const headings = {
      changed: 'Taken over with changes',
      'left out': 'Not taken over',
      taken: 'Taken over',
    } as const
    const lines = [`# What khlong import made of ${from}`, '']
    for (const [outcome, heading] of Object.entries(headings)) {
      const notes = this.notes.filter((note) => note.outcome === outcome)
      if (notes.length === 0) continue
      lines.push(`## ${heading}`, '')
      for (const { what, why } of notes) lines.push(`- ${inline(what)}: ${why}`)
      lines.push('')
    }
    return lines.join('\n')
  }
}

/** As code in Markdown, whatever it holds. */
function inline(text: string): string {
  const fence = text.includes('`') ? '``' : '`'
  return `${fence}${text.replace(/\s+/g, ' ')}${fence}`
}
