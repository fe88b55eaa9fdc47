// What the tour of the live page says and does: its numbers hold for the network of the package and its sample 3.

/** Return the steps; the parts of the page come from live.js. */
export function stepsOf({ head, draw, set, layers }) {
  const three = head.samples[head.first];
  const plain = { kind: "logit", epsilon: head.epsilon, gamma: head.gamma, sign: "both", chosen: 3, against: 9 };
  const still = (change = {}) => {
    draw.set(three);
    return set({ ...plain, ...change });
  };
  return [
    {
      title: "A 3, drawn for you",
      text: "Every point of the line makes the network read the picture again, and explain all ten classes. The small square shows what it reads: the ink scaled to 20×20 pixels, its centre of mass in the middle of 28×28.",
      at: "#drawing",
      act() {
        set(plain);
        return draw.play(three);
      },
    },
    {
      title: "Ten scores",
      text: "The number beside each class is its score; the bar below is its probability, the softmax of the scores. A score explains itself: relevance is this number, handed back to the pixels. All maps have one colour scale, so the strongest colours belong to the largest scores, above or below 0.",
      at: "#classes",
      act: () => still(),
    },
    {
      title: "The map of class 3",
      text: "A red pixel with a cross speaks for the class, a blue one with a bar against it, a pale one for neither. The pixels add up to what stands in the account as “arrives at the pixels”. Paper can speak too: the network sees where there is no ink.",
      at: "#explained",
      act: () => still(),
    },
    {
      title: "Predict: the map of class 9",
      text: "The network is sure that this is no 9: the score of class 9 is below 0.",
      at: "#explained",
      act: () => still(),
      ask: {
        question: "Where will the map of class 9 be bluest?",
        answers: ["upper left, where a 9 is closed", "lower left, where a 9 has no arc", "on the right, where a 9 is straight"],
        right: 0,
        because: "The gap at the upper left speaks most strongly against a 9: more than twice as much as any other quarter.",
        act: () => set({ chosen: 9 }),
      },
    },
    {
      title: "3 against 9",
      text: "“Why 3?” and “why 3 and not 9?” are two questions. Here +score starts at 3 and −score at 9, so that the map explains their difference. What speaks for both alike cancels; the gap at the upper left stays.",
      at: "#asked",
      act: () => still({ kind: "difference" }),
    },
    {
      title: "Predict: one more line",
      text: "We will close the gap at the upper left with one short line and leave everything else as it is.",
      at: "#drawing",
      act: () => still(),
      ask: {
        question: "What will the network say?",
        answers: ["still 3", "8", "9"],
        right: 2,
        because: "It says 9. The map told which pixels it waited for: the blue ones of class 9.",
        act() {
          set({ ...plain, chosen: 9 });
          return draw.play([head.loop], { keep: true });
        },
      },
    },
    {
      title: "Predict: a large ε",
      text: "Back to the 3. The score that starts is 20.4, and 19.5 of it arrives at the pixels. The ε-rule of the last layer divides by z + ε instead of z. We will set ε to 10.",
      at: "#asked",
      act: () => still(),
      ask: {
        question: "How much arrives at the pixels then?",
        answers: ["nearly all, about 19", "about two thirds, 13", "more than starts, about 30"],
        right: 1,
        because: "z/(z + ε) = 20.4/30.4 is two thirds. The rest is in the account as “stays in stabilisers”: nothing is lost unseen.",
        act: () => set({ epsilon: 10 }),
      },
    },
    {
      title: "Through the network",
      text: "Between output and picture stand the layers. Each map is the relevance that arrived at one of them; the sums go down from the right to the left only by what biases and stabilisers keep.",
      at: "#network",
      act: () => still(),
    },
    {
      title: "One unit",
      text: "This is a strong unit of the last convolution. It received relevance from above and divides it among its inputs by its rule. The bars are its messages; with what bias and stabiliser take they add up to what it received.",
      at: "#one",
      act() {
        still();
        layers.choose("conv3");
      },
    },
    {
      title: "Your turn",
      text: "Draw. Try a 1 that becomes a 7, a 5 that becomes a 6. Move γ to 0 and look for blue; choose a layer and follow one unit. Samples and all controls work with the keyboard as well.",
      at: "#drawing",
      act() {
        set(plain);
        draw.set([]);
      },
    },
  ];
}
