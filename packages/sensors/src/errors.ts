import { CodedError } from '@khlong/core'

/** Everything that the sensors throw. `code` says what; the codes are listed in the README. */
export class SensorsError extends CodedError {}
