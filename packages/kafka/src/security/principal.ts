/** Who has neither logged in nor shown a certificate. */
export const anonymousPrincipal = 'User:ANONYMOUS'

/** The platform's own clients: of a type that no login and no certificate gives. */
export const internalPrincipal = 'Khlong:internal'
