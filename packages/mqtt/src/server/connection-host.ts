import type { Clock, Logger } from '@khlong/core'
import type { LoginRequest, Verdict } from '../access/login.ts'
import type { Identity, TopicAccess } from '../access/topic-access.ts'
import type { ResolvedListener } from '../listener-options.ts'
import type { ResolvedMqttOptions } from '../options.ts'
import type { BrokerState } from '../state/broker-state.ts'
import type { JournalPort } from '../state/journal-port.ts'
import type { Connection } from './connection.ts'
import type { Intake } from './intake.ts'
import type { Strangers } from './strangers.ts'

/** A client that was not let in. */
export interface Refusal {
  readonly address: string
  readonly clientId: string
  readonly username: string | undefined
  /** A reason code of MQTT 5. */
  readonly reason: number
}

/** What a connection has of its broker. */
export interface ConnectionHost {
  readonly options: ResolvedMqttOptions
  /** The listener that it came in by. */
  readonly listener: ResolvedListener
  readonly state: BrokerState
  readonly journal: JournalPort
  readonly clock: Clock
  readonly logger: Logger
  /** Whether messages are taken now. */
  readonly intake: Intake
  /** Connections with answers that wait for the journal. */
  readonly waiting: Set<Connection>
  /** Whether so much waits for the disk that publishers should not be read. */
  isJournalBehind(): boolean
  newClientId(): string
  /** Decides who may come in, at once where no password has to be looked at. */
  login(request: LoginRequest): Verdict | Promise<Verdict>
  /** Whether a client who came in by `verdict` could come in now. */
  isStillWelcome(verdict: Verdict): boolean
  /** Undefined where the client may do everything. */
  accessOf(identity: Identity, clientId: string): TopicAccess | undefined
  /** A client was not let in. */
  refused(refusal: Refusal): void
  /** Clients that have not logged in. */
  readonly strangers: Strangers
  /** Calls `flush` of the connection at the end of this tick. */
  flushSoon(connection: Connection): void
  /** A subscription was made. */
  subscribed(): void
}
