import { ErrorCode } from '@khlong/kafka-protocol'
import {
  isScramMechanism,
  type ScramCredential,
  type ScramMechanism,
  ScramServer,
} from '@khlong/kafka-protocol/security'
import { AuthenticationError } from './authentication-error.ts'
import type { MechanismPlan, SaslMechanism } from './listeners.ts'
import { loginPlain } from './plain-server.ts'

export interface SaslSessionOptions {
  readonly mechanisms: ReadonlyMap<SaslMechanism, MechanismPlan>
  /** Gives the credential of a user, where there is one. */
  credential(mechanism: ScramMechanism, username: string): ScramCredential | undefined
  /** A fresh nonce of printable characters without commas. */
  nonce(): string
  /** What the salts of users that are not there are made of. */
  readonly decoySecret: Uint8Array
}

export interface HandshakeAnswer {
  readonly errorCode: number
  readonly mechanisms: readonly string[]
}
export interface AuthenticateAnswer {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly authBytes: Buffer
  readonly sessionLifetimeMs: number
}

const nothing = Buffer.alloc(0)

/**
 * What a connection of a SASL listener is in: before the handshake, in the exchange, logged in until a
 * time, or failed. While it logs in again (KIP-368) it may ask for nothing else, and must stay who it is.
 */
export class SaslSession {
  readonly #options: SaslSessionOptions
  #state: 'handshake' | 'exchange' | 'done' | 'failed' = 'handshake'
  #isRaw = false
  #mechanism: SaslMechanism | undefined
  #scram: ScramServer | undefined
  #principal: string | undefined
  #expiresAtMs = Number.POSITIVE_INFINITY
  /** Why a second login cannot succeed; said when the client sends its first token, as Kafka does. */
  #refusal: string | undefined

  constructor(options: SaslSessionOptions) {
    this.#options = options
  }

  /** `User:name` of who is logged in, also while the login is renewed. */
  get principal(): string | undefined {
    return this.#principal
  }
  get mechanism(): SaslMechanism | undefined {
    return this.#mechanism
  }
  /** Whether nothing but what belongs to the login may be asked. */
  get isBusy(): boolean {
    return this.#state !== 'done'
  }
  /** Whether versions may still be asked for: before the handshake. */
  get isBeforeHandshake(): boolean {
    return this.#state === 'handshake'
  }
  /** Whether the next frame is a bare token, which follows a handshake of version 0. */
  get expectsToken(): boolean {
    return this.#state === 'exchange' && this.#isRaw
  }
  get hasFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Whether the login has run out and was not renewed. */
  isExpired(nowMs: number): boolean {
    return nowMs > this.#expiresAtMs
  }

  /** Whether a login that is there ends some day, so that it may be renewed. */
  get isRenewable(): boolean {
    return this.#state === 'done' && this.#expiresAtMs !== Number.POSITIVE_INFINITY
  }

  handshake(name: string, version: number): HandshakeAnswer {
    const mechanisms = [...this.#options.mechanisms.keys()]
    const mechanism = mechanisms.find((one) => one === name)
    if (!mechanism) {
      this.#state = 'failed'
      return { errorCode: ErrorCode.unsupportedSaslMechanism, mechanisms }
    }
    if (this.#mechanism !== undefined && this.#mechanism !== mechanism)
      this.#refusal = `SASL mechanism '${mechanism}' requested by client is not supported for re-authentication of mechanism '${this.#mechanism}'`
    else this.#mechanism = mechanism
    this.#scram = isScramMechanism(mechanism) ? this.#newScram(mechanism) : undefined
    this.#isRaw = version === 0
    this.#state = 'exchange'
    return { errorCode: ErrorCode.none, mechanisms }
  }

  /** Takes the client's next token. `nowMs` is of the clock that `isExpired` is asked by. */
  authenticate(token: Buffer, nowMs: number): AuthenticateAnswer {
    const mechanism = this.#mechanism!
    const what = this.#principal === undefined ? 'authentication' : 're-authentication'
    try {
      if (this.#refusal !== undefined) throw new AuthenticationError(this.#refusal)
      const { authBytes, username } = this.#exchange(token)
      if (username === undefined)
        return { errorCode: ErrorCode.none, errorMessage: null, authBytes, sessionLifetimeMs: 0 }
      this.#become(`User:${username}`)
      const { reauthMs } = this.#options.mechanisms.get(mechanism)!
      this.#state = 'done'
      this.#expiresAtMs = reauthMs > 0 ? nowMs + reauthMs : Number.POSITIVE_INFINITY
      return {
        errorCode: ErrorCode.none,
        errorMessage: null,
        authBytes,
        sessionLifetimeMs: reauthMs,
      }
    } catch (error) {
      this.#state = 'failed'
      // Nothing of what went wrong: it may tell whether there is such a user.
      const told = error instanceof AuthenticationError ? error.message : ''
      return {
        errorCode: ErrorCode.saslAuthenticationFailed,
        errorMessage:
          told ||
          `Authentication failed during ${what} due to invalid credentials with SASL mechanism ${mechanism}`,
        authBytes: nothing,
        sessionLifetimeMs: 0,
      }
    }
  }

  /** The name is there when the client has proven it. */
  #exchange(token: Buffer): { authBytes: Buffer; username: string | undefined } {
    const scram = this.#scram
    if (!scram) {
      const users = this.#options.mechanisms.get('PLAIN')!.users
      return { authBytes: nothing, username: loginPlain(token, users) }
    }
    const authBytes = scram.next(token)
    return { authBytes, username: scram.isComplete ? scram.username : undefined }
  }

  #become(principal: string): void {
    const before = this.#principal
    const dotted = (name: string): string => name.replace(':', '.')
    if (before !== undefined && before !== principal)
      throw new AuthenticationError(
        `Cannot change principals during re-authentication from ${dotted(before)}: ${dotted(principal)}`,
      )
    this.#principal = principal
  }

  #newScram(mechanism: ScramMechanism): ScramServer {
    return new ScramServer({
      mechanism,
      serverNonce: this.#options.nonce(),
      decoySecret: this.#options.decoySecret,
      find: (username) => this.#options.credential(mechanism, username),
    })
  }
}
