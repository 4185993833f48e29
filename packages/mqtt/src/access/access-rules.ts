import { type AclRules, parseAclFile } from './acl-file.ts'
import { type PasswordTable, parsePasswordFile } from './password-file.ts'
import { nobodysPassword, type StoredPassword } from './stored-password.ts'
import { type Identity, internalRealm, type TopicAccess } from './topic-access.ts'
import { TopicRights } from './topic-rights.ts'

/** What the files of one realm say. */
export interface RealmRules {
  /** Undefined without a password file. */
  readonly passwords: PasswordTable | undefined
  /** Undefined without an access file: everyone may do everything then. */
  readonly acl: AclRules | undefined
  /** Checked in place of a user who is not known, so that the answer takes as long. */
  readonly nobody: StoredPassword
}

/** The files that one realm's rules come from. */
export interface RealmFiles {
  readonly password_file: string | undefined
  readonly acl_file: string | undefined
}

/**
 * Reads the rules of a realm by `read`, which gives a file's text.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file and line
 */
export async function readRealm(
  files: RealmFiles,
  read: (file: string, key: string) => Promise<string>,
): Promise<RealmRules> {
  const { password_file: passwordFile, acl_file: aclFile } = files
  const passwords =
    passwordFile === undefined
      ? undefined
      : parsePasswordFile(await read(passwordFile, 'password_file'), passwordFile)
  const acl =
    aclFile === undefined ? undefined : parseAclFile(await read(aclFile, 'acl_file'), aclFile)
  return { passwords, acl, nobody: nobodysPassword(passwords?.values().next().value) }
}

/** The rules of all realms, as they were read together. */
export class AccessRules {
  readonly #realms: ReadonlyMap<string, RealmRules>

  constructor(realms: ReadonlyMap<string, RealmRules>) {
    this.#realms = realms
  }

  /** Whether its listener is still there, so that something can be said of what it may do. */
  knows({ realm }: Identity): boolean {
    return realm === internalRealm || this.#realms.has(realm)
  }

  realm(name: string): RealmRules | undefined {
    return this.#realms.get(name)
  }

  /** Undefined where the client may do everything. */
  accessOf({ realm, username }: Identity, clientId: string): TopicAccess | undefined {
    if (realm === internalRealm) return undefined
    const rules = this.#realms.get(realm)
    // The session's listener is gone since a restart: nobody says what it may do.
    if (!rules) return nothing
    return rules.acl === undefined ? undefined : new TopicRights(rules.acl, username, clientId)
  }
}

const nothing: TopicAccess = { mayRead: () => false, mayWrite: () => false }
