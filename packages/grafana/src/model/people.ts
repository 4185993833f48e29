import type { Role } from '@khlong/core/access'

export type { Role }

/** What `GET /-/session` answers: what the page shall show to whoever asks. */
export type SessionState =
  /** Nobody has to log in. `canSetUp`: the first administrator can be made from here. */
  | { readonly kind: 'open'; readonly canSetUp: boolean }
  /** There are no users and there must be; `needsCode`: the terminal shows what proves it. */
  | { readonly kind: 'setup'; readonly needsCode: boolean }
  | { readonly kind: 'login' }
  | {
      readonly kind: 'in'
      readonly name: string
      readonly role: Role
      /** Whether it is a person with a password, and not a token. */
      readonly isUser: boolean
    }

export interface PersonNow {
  readonly name: string
  readonly role: Role
  readonly createdMs: number
  readonly lastSeenMs: number | null
}

export interface TokenNow extends PersonNow {
  readonly createdBy: string
  readonly expiresMs: number | null
}

/** What `GET /-/access/people` answers. */
export interface People {
  readonly users: readonly PersonNow[]
  readonly tokens: readonly TokenNow[]
}

/** One line of the audit log, as `GET /-/access/audit` gives it. */
export interface AuditLine {
  readonly atMs: number
  readonly part: string
  readonly who: string
  readonly kind: 'user' | 'token' | 'anonymous' | 'command line'
  readonly from: string
  readonly action: string
  readonly target: string
  readonly status: number
  readonly detail?: string
}
