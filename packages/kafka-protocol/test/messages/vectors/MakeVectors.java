import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.record.internal.*;

// Prints one line per message and version, `NAME VERSION HEX`, written by Kafka's own generated classes with every
// field set that the version has:
//
//   javac -cp 'FOLDER-WITH-KAFKA-JARS/*' -d OUT MakeVectors.java
//   java -cp 'OUT:FOLDER-WITH-KAFKA-JARS/*' MakeVectors KEY... > messages-kafka-clients-4.3.1.txt
public class MakeVectors {
  static int next;

  public static void main(String[] args) throws Exception {
    for (String arg : args) {
      ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(arg));
      for (short version = type.lowestSupportedVersion(); version <= type.highestSupportedVersion(true); version++) {
        print(type.name + "Request", type.newRequest(), version);
        print(type.name + "Response", type.newResponse(), version);
      }
    }
  }

  static void print(String name, ApiMessage message, short version) throws Exception {
    next = 0;
    fill(message, version);
    ByteBuffer bytes = MessageUtil.toByteBufferAccessor(message, version).buffer();
    byte[] copy = new byte[bytes.remaining()];
    bytes.get(copy);
    System.out.println(name + " " + version + " " + HexFormat.of().formatHex(copy));
  }

  /** Sets every field that can be written at this version; one that cannot is put back. */
  static void fill(Message message, short version) throws Exception {
    for (Field field : message.getClass().getDeclaredFields()) {
      if (Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("_") || field.getName().equals("next") || field.getName().equals("prev")) continue;
      field.setAccessible(true);
      Object before = field.get(message);
      try {
        Object value = valueOf(field.getType(), field.getGenericType(), field.getName(), version);
        if (value == null) continue;
        field.set(message, value);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        message.addSize(new MessageSizeAccumulator(), cache, version);
        message.write(new ByteBufferAccessor(ByteBuffer.allocate(1 << 20)), cache, version);
      } catch (Exception error) {
        field.set(message, before);
      }
    }
  }

  static Object valueOf(Class<?> type, Type generic, String name, short version) throws Exception {
    next = (next + 1) % 100;
    if (type == boolean.class) return true;
    if (type == byte.class) return (byte) (next + 1);
    if (type == short.class) return (short) (next + 300);
    if (type == int.class) return next + 70_000;
    if (type == long.class) return next + 5_000_000_000L;
    if (type == double.class) return next + 0.5;
    if (type == String.class || type == Object.class) return name + next;
    if (type == Uuid.class) return new Uuid(next + 1, next + 2);
    if (type == byte[].class) return new byte[] {1, 2, (byte) next};
    if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {3, (byte) next});
    if (BaseRecords.class.isAssignableFrom(type)) return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {4, 5, 6, (byte) next}));
    if (Message.class.isAssignableFrom(type) && !Collection.class.isAssignableFrom(type)) {
      Message inner = (Message) type.getDeclaredConstructor().newInstance();
      fill(inner, version);
      return inner;
    }
    if (List.class.isAssignableFrom(type) && generic instanceof ParameterizedType) {
      Type element = ((ParameterizedType) generic).getActualTypeArguments()[0];
      List<Object> list = new ArrayList<>();
      for (int count = 0; count < 2; count++) list.add(boxed(element, name, version));
      return list;
    }
    if (Collection.class.isAssignableFrom(type)) {
      Type element = ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
      Object collection = type.getDeclaredConstructor().newInstance();
      for (int count = 0; count < 2; count++) ((Collection<Object>) collection).add(boxed(element, name, version));
      return collection;
    }
    return null;
  }

  static Object boxed(Type element, String name, short version) throws Exception {
    Class<?> type = (Class<?>) element;
    if (type == Integer.class) return valueOf(int.class, type, name, version);
    if (type == Long.class) return valueOf(long.class, type, name, version);
    if (type == Short.class) return valueOf(short.class, type, name, version);
    if (type == Byte.class) return valueOf(byte.class, type, name, version);
    return valueOf(type, type, name, version);
  }
}
