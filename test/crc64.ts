const TABLE = Array.from({ length: 256 }, (_, index) => {
  let rest = BigInt(index)
  for (let bit = 0; bit < 8; bit++) rest = rest & 1n ? (rest >> 1n) ^ 0xc96c5795d7870f42n : rest >> 1n
  return rest
})

/** CRC-64/XZ, written again from its definition so that the tests need not believe the server's. */
export function crc64(data: Uint8Array): bigint {
  let crc = 0xffffffffffffffffn
  for (const byte of data) crc = (TABLE[Number(crc & 0xffn) ^ byte] ?? 0n) ^ (crc >> 8n)
  return crc ^ 0xffffffffffffffffn
}
