import type { Acl } from '../protocol/jute.ts'

/**
 * A change that happened: what the log keeps. Names are final (a sequential one has its number) and
 * conditions were met, so that applying it needs no further check.
 */
export type Change =
  | {
      readonly kind: 'create'
      readonly path: string
      readonly data: Buffer | null
      readonly acl: Acl
      readonly owner: bigint
    }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'setData'; readonly path: string; readonly data: Buffer | null }
  | { readonly kind: 'setAcl'; readonly path: string; readonly acl: Acl }
  | { readonly kind: 'createSession'; readonly sessionId: bigint; readonly timeoutMs: number }
  | { readonly kind: 'closeSession'; readonly sessionId: bigint }

/** The changes of one zxid. None at all where a request failed: it uses up a zxid too. */
export interface Transaction {
  readonly zxid: number
  readonly timeMs: number
  readonly changes: readonly Change[]
}
