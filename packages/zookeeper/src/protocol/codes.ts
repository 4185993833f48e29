/** Kinds of requests, as `ZooDefs.OpCode` numbers them. */
export const OpCode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  reconfig: 16,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  sasl: 102,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  closeSession: -11,
  error: -1,
} as const
export type OpCode = (typeof OpCode)[keyof typeof OpCode]

/** Results, as `KeeperException.Code` numbers them. */
export const ErrorCode = {
  ok: 0,
  runtimeInconsistency: -2,
  marshallingError: -5,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  noWatcher: -121,
  reconfigDisabled: -123,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** Transaction ids of packets that answer no numbered request. */
export const Xid = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const

export const EventType = {
  nodeCreated: 1,
  nodeDeleted: 2,
  nodeDataChanged: 3,
  nodeChildrenChanged: 4,
} as const
export type EventType = (typeof EventType)[keyof typeof EventType]

/** The client's state in a watch event; the server only ever says that it is connected. */
export const syncConnected = 3

/** What a caller may do with a znode; bits of an ACL entry. */
export const Permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const

/** Which watches `checkWatches` and `removeWatches` mean. */
export const WatcherType = {
  children: 1,
  data: 2,
  any: 3,
  persistent: 4,
  persistentRecursive: 5,
} as const

/** Modes of `addWatch`. */
export const AddWatchMode = { persistent: 0, persistentRecursive: 1 } as const
