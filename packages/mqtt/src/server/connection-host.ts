import type { Clock, Logger } from '@khlong/core'
import type { ResolvedMqttOptions } from '../options.ts'
import type { BrokerState } from '../state/broker-state.ts'
import type { JournalPort } from '../state/journal-port.ts'
import type { Connection } from './connection.ts'

/** What a connection has of its broker. */
export interface ConnectionHost {
  readonly options: ResolvedMqttOptions
  readonly state: BrokerState
  readonly journal: JournalPort
  readonly clock: Clock
  readonly logger: Logger
  /** Connections with answers that wait for the journal. */
  readonly waiting: Set<Connection>
  /** Whether so much waits for the disk that publishers should not be read. */
  isJournalBehind(): boolean
  newClientId(): string
  /** Calls `flush` of the connection at the end of this tick. */
  flushSoon(connection: Connection): void
  /** A subscription was made. */
  subscribed(): void
  closed(connection: Connection): void
}
