import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

/** A file of a part's data as it was at the moment of a cut. */
export interface CutFile {
  /** Where it belongs below the part's data folder; its steps are divided by `/`. */
  readonly path: string
  /** Where its bytes stay until the cut is released; absolute. */
  readonly source: string
  /**
   * It counts up to here; what the source has beyond was written later. Missing where the file is
   * still being made: then all of it counts, once `cutWritten` of the part has resolved.
   */
  readonly sizeBytes?: number
}

/** The newest version of each kind of file that a part writes, and reads together with all older ones. */
export type FormatVersions = Readonly<Record<string, number>>

/** What a part's data folder was at one moment, kept beside it while the part goes on. */
export interface Cut {
  readonly formats: FormatVersions
  readonly files: readonly CutFile[]
}

/** What never belongs to a cut: who has the folder, locks, and files on their way to their name. */
const passingNames = /^(?:owner\.pid|.*\.(?:lock|tmp|new)|lock\.mdb|.*-lock)$/

/**
 * Keeps files of one folder in another of the same file system. A file is kept by a hard link, in no
 * time whatever its size, so that it stays although its name goes; where the file system has no hard
 * links it is copied. Everything is done before a call returns: what is kept within one turn of the
 * event loop is of one moment.
 */
export class CutFolder {
  readonly #from: string
  readonly #into: string
  readonly #files: CutFile[] = []

  /** `from` is a part's data folder, `into` a folder that is made where it is missing. */
  constructor(from: string, into: string) {
    this.#from = from
    this.#into = into
  }

  /** What was kept, as files of these formats. */
  done(formats: FormatVersions): Cut {
    return { formats, files: this.#files }
  }

  /**
   * Keeps a file whose bytes before `sizeBytes` never change: one that is only added to, or replaced
   * as a whole. Without a size it counts as it is now.
   */
  keep(name: string, sizeBytes?: number): void {
    const from = path.join(this.#from, name)
    const source = this.#place(name)
    try {
      linkSync(from, source)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') throw error
      copyFileSync(from, source, constants.COPYFILE_FICLONE)
    }
    this.#note(name, source, sizeBytes ?? statSync(source).size)
  }

  /** As {@link keep} for a file that may go at any time because nothing needs it any more. */
  keepIfThere(name: string, sizeBytes?: number): void {
    try {
      this.keep(name, sizeBytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  /** Keeps what a file holds now, although it is written over later; for small ones. */
  copy(name: string): void {
    const source = this.#place(name)
    copyFileSync(path.join(this.#from, name), source)
    this.#note(name, source, statSync(source).size)
  }

  /** Gives the cut a file that the folder does not have. */
  write(name: string, content: string | Uint8Array): void {
    const source = this.#place(name)
    writeFileSync(source, content)
    this.#note(name, source, statSync(source).size)
  }

  /** Where a file belongs that somebody else makes, and goes on making after the cut. */
  expect(name: string): string {
    const source = this.#place(name)
    this.#files.push({ path: name, source })
    return source
  }

  /** Keeps every file of the folder, or of one in it; links between files are passed over. */
  keepAll(below = ''): void {
    for (const entry of readdirSync(path.join(this.#from, below), { withFileTypes: true })) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      if (passingNames.test(entry.name)) continue
      if (entry.isDirectory()) this.keepAll(name)
      else if (entry.isFile()) this.keepIfThere(name)
    }
  }

  #place(name: string): string {
    const source = path.join(this.#into, name)
    mkdirSync(path.dirname(source), { recursive: true })
    return source
  }

  #note(name: string, source: string, sizeBytes: number): void {
    this.#files.push({ path: name, source, sizeBytes })
  }
}
