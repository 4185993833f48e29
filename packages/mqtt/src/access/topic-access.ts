/** Who a session belongs to, as rules see it. */
export interface Identity {
  /** Which users and rules count for it: those of its listener, or those of all. */
  readonly realm: string
  /** Undefined for an anonymous client. */
  readonly username: string | undefined
}

/** What a client may do with topics. */
export interface TopicAccess {
  mayRead(topic: string): boolean
  mayWrite(topic: string): boolean
}

/** The realm of the pipeline's own clients, who may do everything. */
export const internalRealm = 'internal'
