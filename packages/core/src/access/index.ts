export {
  AccessGuard,
  type AccessGuardOptions,
  type Identity,
  type Refusal,
} from './access-guard.ts'
export { AccessStore, type AccessStoreOptions } from './access-store.ts'
export {
  type Accounts,
  type ApiToken,
  accountName,
  passwordCharactersMin,
  type User,
} from './accounts.ts'
export { type AuditEntry, AuditLog, type AuditLogOptions, readAudit } from './audit-log.ts'
export { AccessError, type AccessErrorCode } from './errors.ts'
export { LoginLimiter } from './login-limiter.ts'
export { isFromHere, mayChange } from './origin-check.ts'
export {
  type AccessSettings,
  accessSettings,
  type GuardedServer,
  guardServer,
  openAccess,
  type PartAccess,
  withoutSchemas,
} from './part-access.ts'
export type { ScryptCost } from './password.ts'
export { covers, isRole, type Role, roles } from './role.ts'
export { withLock, writeWhole } from './whole-file.ts'
