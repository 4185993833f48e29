import type { EventType } from '../protocol/codes.ts'
import type { Acl } from '../protocol/jute.ts'

/** Who is told of changes: a connection. */
export interface Watcher {
  /** `acl` is that of the znode: who may not read it is not told. */
  notify(type: EventType, path: string, zxid: number, acl: Acl | undefined): void
}

/** How long a watch lives and how far it reaches; bits, for a watcher may have all three on a path. */
export const WatchMode = { once: 1, persistent: 2, recursive: 4 } as const

const nobody: ReadonlySet<Watcher> = new Set()

/**
 * One table of watches; the server has two, for data and for children.
 *
 * Invariants: `#paths` is the inverse of `#watchers`; no empty map or set is kept; a mode is never 0;
 * `#count` is the number of pairs of a path and a watcher.
 */
export class WatchTable {
  readonly #watchers = new Map<string, Map<Watcher, number>>()
  readonly #paths = new Map<Watcher, Set<string>>()
  #count = 0
  #recursiveCount = 0

  get count(): number {
    return this.#count
  }
  get pathCount(): number {
    return this.#watchers.size
  }
  get watcherCount(): number {
    return this.#paths.size
  }
  /** Watchers by path. */
  entries(): Iterable<[string, ReadonlyMap<Watcher, number>]> {
    return this.#watchers
  }

  add(path: string, watcher: Watcher, mode: number): void {
    let watchers = this.#watchers.get(path)
    if (!watchers) {
      watchers = new Map()
      this.#watchers.set(path, watchers)
    }
    const before = watchers.get(watcher) ?? 0
    if (before === 0) {
      this.#count++
      const paths = this.#paths.get(watcher)
      if (paths) paths.add(path)
      else this.#paths.set(watcher, new Set([path]))
    }
    if ((mode & ~before & WatchMode.recursive) !== 0) this.#recursiveCount++
    watchers.set(watcher, before | mode)
  }

  /** The modes that a watcher has on a path; 0 where it has none. */
  modes(path: string, watcher: Watcher): number {
    return this.#watchers.get(path)?.get(watcher) ?? 0
  }

  /** Takes modes away, and says whether there was one of them. */
  remove(path: string, watcher: Watcher, modes: number): boolean {
    const before = this.modes(path, watcher)
    if ((before & modes) === 0) return false
    this.#leave(path, watcher, before, before & ~modes)
    return true
  }

  removeWatcher(watcher: Watcher): void {
    for (const path of this.#paths.get(watcher) ?? [])
      this.#leave(path, watcher, this.modes(path, watcher), 0)
  }

  /**
   * Tells the watchers of `path`, and for all but children's changes the recursive ones above it;
   * watches that live once end. Gives those who were told, or were in `told` already.
   */
  trigger(
    path: string,
    type: EventType,
    zxid: number,
    acl: Acl,
    childrenChanged: boolean,
    told: ReadonlySet<Watcher> = nobody,
  ): ReadonlySet<Watcher> {
    const here = this.#watchers.get(path)
    if (!here && this.#recursiveCount === 0) return told
    const called = new Set<Watcher>()
    if (here) {
      for (const [watcher, mode] of here) {
        const applies = childrenChanged ? mode & ~WatchMode.recursive : mode
        if (applies === 0) continue
        called.add(watcher)
        if ((mode & WatchMode.once) !== 0) this.#leave(path, watcher, mode, mode & ~WatchMode.once)
      }
    }
    if (this.#recursiveCount > 0 && !childrenChanged) {
      for (let above = path; above !== '/'; ) {
        above = above.slice(0, Math.max(1, above.lastIndexOf('/')))
        for (const [watcher, mode] of this.#watchers.get(above) ?? [])
          if ((mode & WatchMode.recursive) !== 0) called.add(watcher)
      }
    }
    for (const watcher of called) if (!told.has(watcher)) watcher.notify(type, path, zxid, acl)
    return called
  }

  #leave(path: string, watcher: Watcher, before: number, after: number): void {
    const watchers = this.#watchers.get(path)
    if (!watchers) return
    if ((before & ~after & WatchMode.recursive) !== 0) this.#recursiveCount--
    if (after !== 0) {
      watchers.set(watcher, after)
      return
    }
    this.#count--
    watchers.delete(watcher)
    if (watchers.size === 0) this.#watchers.delete(path)
    const paths = this.#paths.get(watcher)
    paths?.delete(path)
    if (paths?.size === 0) this.#paths.delete(watcher)
  }
}
