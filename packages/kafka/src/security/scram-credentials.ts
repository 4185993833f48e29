import type { ScramCredential, ScramMechanism } from '@khlong/kafka-protocol/security'

/** The credentials of one user, by mechanism. */
export type UserCredentials = ReadonlyMap<ScramMechanism, ScramCredential>

/** What a user's credential becomes; undefined takes it away. */
export interface CredentialChange {
  readonly username: string
  readonly mechanism: ScramMechanism
  readonly credential: ScramCredential | undefined
}

/** Who may log in by SCRAM, as the metadata have it. */
export class ScramCredentials {
  readonly #users = new Map<string, UserCredentials>()

  /** Puts what the metadata say of a user in place of what was known; none: the user is gone. */
  replace(username: string, credentials: UserCredentials): void {
    if (credentials.size === 0) this.#users.delete(username)
    else this.#users.set(username, credentials)
  }

  find(mechanism: ScramMechanism, username: string): ScramCredential | undefined {
    return this.#users.get(username)?.get(mechanism)
  }

  of(username: string): UserCredentials | undefined {
    return this.#users.get(username)
  }

  /** Names of all users, in the order in which they came. */
  names(): string[] {
    return [...this.#users.keys()]
  }
}
