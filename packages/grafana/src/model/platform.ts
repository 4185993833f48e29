import type { VitalItem, Vitals } from '@khlong/core'

/** What a part's vitals are in the platform's status API: the same as in the process. */
export type { VitalItem, Vitals }

export interface PlatformPart {
  readonly name: string
  readonly status: string
  readonly address?: string
  readonly addresses?: Readonly<Record<string, string>>
  readonly thread?: string
  readonly restarts?: number
  readonly memoryBytes?: number
  readonly error?: string
  readonly vitals?: Vitals
}

/** What `GET {platform}/-/parts` answers: the running system at one moment. */
export interface PlatformSnapshot {
  readonly name: string
  readonly uptimeMs: number
  readonly memory?: { readonly anonymousBytes: number; readonly rssBytes: number }
  readonly cpuPercent?: number
  /** The streams' windows; missing or null where there are none. */
  readonly window?: { readonly sizeMs: number } | null
  readonly parts: readonly PlatformPart[]
}

/** Something that happened, told from two snapshots. Texts are the reader's: see the catalogues. */
export interface PlatformEvent {
  readonly id: number
  readonly atMs: number
  readonly level: 'ok' | 'warn' | 'critical' | 'idle'
  readonly kind:
    | 'partState'
    | 'itemState'
    | 'restarted'
    | 'deadLetters'
    | 'lagging'
    | 'caughtUp'
    | 'windowClosed'
    | 'itemAdded'
  readonly part: string
  readonly subject: string
  readonly state?: string
  readonly count?: number
  readonly note?: string
}

/** A sensor as its own frames tell it. */
export interface SensorNow {
  readonly id: string
  readonly name: string
  readonly placeId: string
  readonly lastSeenMs: number
  /** Frames per second over the last ten seconds. */
  readonly rate: number
  readonly frames: number
  /** Sequence numbers that never came, and that came twice; only where frames carry them. */
  readonly lost?: number
  readonly duplicates?: number
  readonly values: Readonly<Record<string, number>>
}

/** What the console may show and where things are, without secrets. */
export interface ConsoleSetup {
  readonly version: string
  readonly configured: Readonly<Record<string, boolean>>
  readonly mqtt: {
    /** 0.0.0.0 and :: are whatever name this machine is reached by. */
    readonly host: string
    readonly port: number
    readonly topic: string
    readonly isTls: boolean
    readonly needsLogin: boolean
  } | null
  readonly mqttWebsocket: string | null
  readonly home: string | null
}

/** Lag from which a reader counts as behind: more than this many records for a while. */
export const lagWarning = 1000
