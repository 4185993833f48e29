export { crc32c } from './crc32c.ts'
export { ReadError, Reader } from './reader.ts'
export { unzigzag32, unzigzag64, varintSize, varlongSize, zigzag32, zigzag64 } from './varint.ts'
export { Writer } from './writer.ts'
