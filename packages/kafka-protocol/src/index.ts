export {
  type ApiInfo,
  ApiKey,
  allApis,
  apiInfo,
  isKnownVersion,
  loadCodec,
  requestHeaderVersion,
  responseHeaderVersion,
} from './apis.ts'
export { allErrors, ErrorCode, type ErrorInfo, errorInfo } from './error-codes.ts'
export { KafkaProtocolError } from './errors.ts'
export {
  beginFrame,
  decodeRequestHeader,
  decodeResponseHeaderRest,
  encodeRequestHeader,
  encodeResponseHeader,
  endFrame,
  FrameSplitter,
  type RequestHeader,
} from './frames.ts'
export type { MessageCodec } from './messages/codec.ts'
export { type RecordBytes, type Uuid, zeroUuid } from './messages/primitives.ts'
