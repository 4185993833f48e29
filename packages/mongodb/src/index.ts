export { ErrorCode, MongoError } from './errors.ts'
export { mongodbFormats } from './formats.ts'
export {
  type MongodbOptions,
  type MongodbSettings,
  resolveMongodbOptions,
  type UserSettings,
} from './options.ts'
export { MongodbServer } from './server/mongodb-server.ts'
