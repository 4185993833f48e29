import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;

/**
 * Runs converters: `bytes` (hexadecimal) to Connect and back, or `data` (JSON with its schema) to
 * bytes. Writes the schema that came of it and the bytes.
 */
public class Converters {
  static final ObjectMapper json = new ObjectMapper();
  static final HexFormat hex = HexFormat.of();

  static void describe(ObjectNode result, Schema schema) {
    if (schema == null) {
      result.putNull("schema");
      return;
    }
    ObjectNode node = result.putObject("schema");
    node.put("type", schema.type().toString());
    node.put("name", schema.name());
    node.put("optional", schema.isOptional());
  }

  static void put(ObjectNode result, byte[] bytes) {
    result.put("bytes", bytes == null ? null : hex.formatHex(bytes));
  }

  public static void main(String[] args) throws Exception {
    ArrayNode cases = (ArrayNode) json.readTree(new File(args[0]));
    JsonConverter reader = new JsonConverter();
    reader.configure(Map.of("schemas.enable", true, "converter.type", "value"));
    for (JsonNode node : cases) {
      ObjectNode one = (ObjectNode) node;
      ObjectNode result = one.putObject("result");
      try {
        Map<String, Object> config = new HashMap<>(json.convertValue(one.get("config"), Map.class));
        boolean isHeader = one.path("isHeader").asBoolean();
        config.put("converter.type", isHeader ? "header" : "value");
        Object made = Class.forName(one.get("class").asText()).getDeclaredConstructor().newInstance();
        byte[] bytes = one.get("bytes") == null || one.get("bytes").isNull() ? null : hex.parseHex(one.get("bytes").asText());
        if (isHeader) {
          HeaderConverter converter = (HeaderConverter) made;
          converter.configure(config);
          SchemaAndValue value = converter.toConnectHeader("t", "h", bytes);
          describe(result, value.schema());
          put(result, converter.fromConnectHeader("t", "h", value.schema(), value.value()));
          continue;
        }
        Converter converter = (Converter) made;
        converter.configure(config, false);
        SchemaAndValue value = one.has("data")
            ? reader.toConnectData("t", json.writeValueAsBytes(one.get("data")))
            : converter.toConnectData("t", bytes);
        describe(result, value.schema());
        put(result, converter.fromConnectData("t", value.schema(), value.value()));
      } catch (Exception error) {
        result.removeAll();
        result.put("error", error.getClass().getName());
      }
    }
    json.writer().writeValue(new File(args[1]), cases);
  }
}
