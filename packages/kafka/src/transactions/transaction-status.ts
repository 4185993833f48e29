/** The states of a transactional id, with the numbers that `__transaction_state` has for them. */
export const TransactionStatus = {
  Empty: 0,
  Ongoing: 1,
  PrepareCommit: 2,
  PrepareAbort: 3,
  CompleteCommit: 4,
  CompleteAbort: 5,
  Dead: 6,
  PrepareEpochFence: 7,
} as const

/** As the protocol spells it. */
export type TransactionStatusName = keyof typeof TransactionStatus
