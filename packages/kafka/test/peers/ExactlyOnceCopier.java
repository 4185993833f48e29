import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;

/** Copies `in` to `out` in transactions of which every third is aborted, then lets itself be fenced. */
public class ExactlyOnceCopier {
    static KafkaProducer<String, String> producer(String server) {
        Properties config = new Properties();
        config.put("bootstrap.servers", server);
        config.put("transactional.id", "java");
        config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        KafkaProducer<String, String> producer = new KafkaProducer<>(config);
        producer.initTransactions();
        return producer;
    }

    public static void main(String[] args) {
        String server = args[0];
        int count = Integer.parseInt(args[1]);
        Properties config = new Properties();
        config.put("bootstrap.servers", server);
        config.put("group.id", "java-copiers");
        config.put("auto.offset.reset", "earliest");
        config.put("isolation.level", "read_committed");
        config.put("enable.auto.commit", "false");
        config.put("max.poll.records", "7");
        config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        KafkaProducer<String, String> producer = producer(server);
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config);
        consumer.subscribe(List.of("in"));
        int copied = 0;
        int attempts = 0;
        long deadline = System.currentTimeMillis() + 40_000;
        while (copied < count) {
            if (System.currentTimeMillis() > deadline) throw new IllegalStateException("copied " + copied);
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(500));
            if (records.isEmpty()) continue;
            attempts++;
            producer.beginTransaction();
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (ConsumerRecord<String, String> record : records) {
                producer.send(new ProducerRecord<>("out", record.value(), record.value()));
                offsets.put(
                    new TopicPartition(record.topic(), record.partition()),
                    new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            if (attempts % 3 == 0) {
                producer.abortTransaction();
                Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
                for (TopicPartition partition : consumer.assignment()) {
                    OffsetAndMetadata at = committed.get(partition);
                    consumer.seek(partition, at == null ? 0 : at.offset());
                }
            } else {
                producer.commitTransaction();
                copied += records.count();
            }
        }
        consumer.close();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>("out", "zombie", "zombie"));
        producer.flush();
        KafkaProducer<String, String> second = producer(server);
        try {
            producer.commitTransaction();
            throw new IllegalStateException("the older producer was not fenced");
        } catch (ProducerFencedException | InvalidProducerEpochException expected) {
            System.out.println("fenced");
        }
        second.beginTransaction();
        second.send(new ProducerRecord<>("out", "left open", "left open"));
        second.flush();
        System.out.println("copied " + copied + " in " + attempts);
        Runtime.getRuntime().halt(0);
    }
}
