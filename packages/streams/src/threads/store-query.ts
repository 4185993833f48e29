/** Which kind of store is asked. */
export type QueryableStoreType = 'key-value' | 'window' | 'session'

/** What a thread is asked of its stores. Keys are bytes: they cross threads. */
export type StoreQuery =
  | { readonly kind: 'get'; readonly store: string; readonly key: Uint8Array }
  | {
      readonly kind: 'get-window'
      readonly store: string
      readonly key: Uint8Array
      readonly startMs: number
    }
  | {
      readonly kind: 'get-session'
      readonly store: string
      readonly key: Uint8Array
      readonly startMs: number
      readonly endMs: number
    }
  | { readonly kind: 'count'; readonly store: string }
  | { readonly kind: 'open'; readonly store: string; readonly scan: StoreScan }
  | { readonly kind: 'next'; readonly iterator: number }
  | { readonly kind: 'close'; readonly iterator: number }

/** What an iterator goes through, task by task. */
export type StoreScan = {
  readonly isReverse?: boolean | undefined
} & (
  | { readonly over: 'keys'; readonly keys: RawKeyRange }
  | {
      readonly over: 'windows'
      /** One key, or several. */
      readonly key?: Uint8Array | undefined
      readonly keys?: RawKeyRange | undefined
      readonly fromMs: number
      readonly toMs: number
    }
  | {
      readonly over: 'sessions'
      readonly key?: Uint8Array | undefined
      readonly keys?: RawKeyRange | undefined
      readonly earliestEndMs?: number | undefined
      readonly latestStartMs?: number | undefined
    }
)

/** Keys by their bytes; both bounds are included. */
export interface RawKeyRange {
  readonly from?: Uint8Array | undefined
  readonly to?: Uint8Array | undefined
  readonly prefix?: Uint8Array | undefined
}

/** An entry as it crosses threads. */
export interface RawEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** Of windows and sessions. */
  readonly startMs?: number
  readonly endMs?: number
}

export type StoreAnswer =
  | {
      readonly kind: 'value'
      readonly value: Uint8Array | undefined
      /** Of key-value stores: the time of the record that made the value. */
      readonly timestampMs?: number | undefined
    }
  | { readonly kind: 'count'; readonly count: number }
  | {
      readonly kind: 'page'
      readonly iterator: number
      readonly entries: readonly RawEntry[]
      readonly isLast: boolean
    }
  | { readonly kind: 'closed' }
